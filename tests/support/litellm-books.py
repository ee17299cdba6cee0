"""What a proxy knows of each call when it books it, as lines of JSON: the object from which its spend log is written."""

import json
import os

from litellm.integrations.custom_logger import CustomLogger


class Books(CustomLogger):
    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        entry = kwargs["standard_logging_object"]
        with open(os.environ["BOOKS"], "a") as file:
            file.write(json.dumps(entry, default=str) + "\n")


books = Books()
