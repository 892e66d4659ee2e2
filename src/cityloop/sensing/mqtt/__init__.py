"""The MQTT listener: many devices in, one batch a sweep; and a bridge to a broker that a city already has."""
