"""Keys of tenants for a proxy without a database: what the proxy would read there about a key stands here."""

import litellm
from fastapi import HTTPException
from litellm.proxy._types import UserAPIKeyAuth

UNLIMITED = {"sk-test-master", "sk-acme", "sk-globex"}
ONE_CALL_A_MINUTE = {"sk-chat-slow", "sk-messages-slow"}


async def authenticate(request, api_key: str) -> UserAPIKeyAuth:
    if api_key in UNLIMITED:
        return UserAPIKeyAuth(api_key=api_key)
    if api_key in ONE_CALL_A_MINUTE:
        return UserAPIKeyAuth(api_key=api_key, rpm_limit=1)
    if api_key == "sk-broke":
        # What the proxy's own check of a key raises.
        raise litellm.BudgetExceededError(current_cost=1.0, max_budget=0.01)
    raise HTTPException(status_code=401, detail="Unknown key")
