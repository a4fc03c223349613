"""Commands on the nouns the engine owns: one module per noun, each function one command inside its transaction."""
