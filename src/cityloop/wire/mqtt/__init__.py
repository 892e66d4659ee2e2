"""MQTT 3.1.1 and 5.0: packets as bytes and back, topic filters, and a compiled splitter of many small publishes.

References
----------
.. [1] OASIS (2014). MQTT Version 3.1.1. mqtt-v3.1.1-os.
.. [2] OASIS (2019). MQTT Version 5.0. mqtt-v5.0-os.
"""
