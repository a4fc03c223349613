"""LoRaWAN gateways, as the network server tells of them; not to be mixed up with this service, the API gateway."""
