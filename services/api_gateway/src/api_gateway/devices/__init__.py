"""LoRaWAN devices, the frames that belong to nobody yet, and which tenant an application belongs to."""
