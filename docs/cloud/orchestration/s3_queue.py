# Loads objects as they arrive in a bucket: S3 tells a queue of SQS, this program takes from the queue and sends each file to the server.
#   pip install boto3 "psycopg[binary]"
#   QUEUE_URL=https://sqs... DATABASE=postgresql://sender@host/trips python3 s3_queue.py
# The role of the program needs s3:GetObject of the bucket, and sqs:ReceiveMessage, DeleteMessage and ChangeMessageVisibility of the queue.
#
# SQS delivers at least once, and S3 may tell of one object twice: a file is known by its content, so the second time is `skipped`.
# What cannot be loaded comes back after the queue's visibility timeout, and goes to its dead-letter queue after maxReceiveCount times.
import json
import os
import sys
import urllib.parse

import boto3
import psycopg

PART = 256 * 1024


def objects(body):
    """Bucket and key of each object that a message tells of; S3's first message, a test, has none."""
    for record in json.loads(body).get("Records", []):
        if record["eventName"].startswith("ObjectCreated:"):
            yield record["s3"]["bucket"]["name"], urllib.parse.unquote_plus(record["s3"]["object"]["key"])


def load(connection, stream, name):
    """Loads a stream of bytes in one transaction: whole or not at all."""
    with connection.transaction():
        for part in iter(lambda: stream.read(PART), b""):
            connection.execute("SELECT trips_upload(%b)", [part])
        return connection.execute(
            "SELECT ingest, status, rows_loaded, rows_rejected FROM trips_ingest_upload(%s, on_error => 'ignore', reject_limit => 1000)", [name]
        ).fetchone()


def work(queue, storage, queue_url, conninfo):
    """One message: taken, its objects loaded, deleted. False where there was none."""
    answer = queue.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=1, WaitTimeSeconds=20, VisibilityTimeout=3600)
    messages = answer.get("Messages", [])
    for message in messages:
        try:
            with psycopg.connect(conninfo, autocommit=True) as connection:
                for bucket, key in objects(message["Body"]):
                    stream = storage.get_object(Bucket=bucket, Key=key)["Body"]
                    print(f"s3://{bucket}/{key}:", *load(connection, stream, f"s3://{bucket}/{key}"), flush=True)
            queue.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        except (psycopg.Error, storage.exceptions.ClientError) as error:
            # Tried again by the queue, soon: an hour is for files that take long, not for those that fail.
            print(f"{message['MessageId']}: {error}", file=sys.stderr, flush=True)
            queue.change_message_visibility(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=60)
    return bool(messages)


def main():
    queue, storage = boto3.client("sqs"), boto3.client("s3")
    while True:
        work(queue, storage, os.environ["QUEUE_URL"], os.environ["DATABASE"])


if __name__ == "__main__":
    main()
