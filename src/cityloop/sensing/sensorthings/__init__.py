"""OGC SensorThings API 1.1 over HTTP and MQTT."""
