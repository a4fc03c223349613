"""The real servers that tests run against, as pytest fixtures; loaded by the conftest.py at the root.

| Fixture | What a test gets |
|---|---|
| `database` | URL of a fresh, migrated database |
| `nats_account` | a fresh NATS account (`url`, `mqtt_url`, `connect()`) with the platform's streams and consumers |
| `empty_nats_account` | the same without streams |
| `mosquitto` | an own Mosquitto process (`url`, `kill()`, `start()`), kept sessions and messages persisted |
| `service_env` | the environment that points a service at `database` and `nats_account` |
| `run_service` | `await run_service("uplink_ingestor", env)`: a process that answers /ready; `kill()`, `start()` |
| `shared_gateway` | one gateway for a module of API tests, each of which is a tenant of its own |
| `gateways`, `hooked` | two gateways for a module, and people who log in or webhooks of a tenant |
| `lot` | a tenant of a module's engine and reservation service, with cars that come and go (`car_park`) |
| `chirpstack` | `await chirpstack(network)`: a ChirpStack with displays behind it (`chirpstack.network_of`) |
| `signs` | a tenant with displays as rows, and a dispatcher that no network server answers (`signposts`) |
| `private_postgres`, `private_nats` | an own server to be killed and restarted |
| `owners_url` | a database whose owner is no superuser |
| `authorities` | the right authority and a wrong one, for certificates of servers that speak TLS (`tls_servers`) |
| `free_port` | a function that finds a free TCP port |

A service logs in to NATS and MQTT as itself, with the rights it has in the field (`own_logins`); a test fails that ends
one which was refused something. Its process is forked from one that has imported its modules (`warm_start`), which
makes a start ten times cheaper. `from stack.waiting import eventually` waits for a condition instead of sleeping.
"""
