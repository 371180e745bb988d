"""paho-mqtt at work, for `cargo bench -p vaux-client`: JOB PORT MESSAGES."""

import sys
import threading
import time

import paho.mqtt.client as mqtt

TOPIC = "bench/clients/topic"
PAYLOAD = b"x" * 64

job, port, messages = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
qos = int(job[-1])
done = threading.Event()
subscribed = threading.Event()
count = 0


def on_publish(client, userdata, mid, reason_code, properties):
    global count
    count += 1
    if count == messages:
        done.set()


def on_message(client, userdata, message):
    global count
    count += 1
    if count == messages:
        done.set()


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="bench")
client.max_inflight_messages_set(100)
client.on_publish = on_publish
client.on_message = on_message
client.on_subscribe = lambda *_: subscribed.set()
client.connect("127.0.0.1", port)
client.loop_start()

if job.startswith("receive"):
    client.subscribe(TOPIC, qos)
    subscribed.wait()
    print("ready", flush=True)
started, processor = time.monotonic(), time.process_time()
if job.startswith("publish"):
    for number in range(1, messages + 1):
        client.publish(TOPIC, PAYLOAD, 1 if number == messages else qos)
done.wait()
elapsed = time.monotonic() - started
processor = time.process_time() - processor
print(messages / elapsed, processor * 1e6 / messages, "-", flush=True)
client.disconnect()
