"""Two tenants, and what could let one of them see the other: the parts of tests/integration/test_isolation_*.py.

| Module | What it owns |
|---|---|
| `tenant` | a tenant whose every word, address and id can be recognised in an answer |
| `rows_*` | one row per table, for either tenant; a table without a recipe fails the tests by its name |
| `filling` | both tenants in every table, and the traces by which the second one is recognised |
| `catalogue` | what there is: roles, relations, keys and functions, as PostgreSQL knows them |
| `statements` | what a role attempts on a relation, and what came of it |
| `tally` | how much was tried and how it ended, printed as the matrix |
"""
