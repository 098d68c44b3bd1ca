"""`keras-ssl COMMAND`: what the library does, from a shell. `keras-ssl help` lists the commands."""
