"""Signs many URLs with boto3 and prints, as JSON, how long each took."""

import json
import platform
import sys
import time

import boto3
import botocore
from botocore.config import Config

task = json.loads(sys.argv[1])
client = boto3.client(
    "s3",
    aws_access_key_id=task["id"],
    aws_secret_access_key=task["secret"],
    aws_session_token=task["token"],
    config=Config(signature_version="s3v4", s3={"addressing_style": task["style"]}),
    **task["client"],
)


def url(number):
    params = {**task["params"], "Key": f"reports/2026/q3 summary {number}.pdf"}
    return client.generate_presigned_url(task["operation"], Params=params, ExpiresIn=3600)


sample = url(1)
for number in range(min(task["count"], 200)):
    url(number)
begin = time.process_time()
for number in range(task["count"]):
    url(number)
seconds = time.process_time() - begin
print(
    json.dumps(
        {
            "sample": sample,
            "seconds_each": seconds / task["count"],
            "versions": f"boto3 {boto3.__version__}, botocore {botocore.__version__}, Python {platform.python_version()}",
        }
    )
)
