"""Prompts over MCP: complete tasks a person can start, offered only if every tool they use is offered."""

from __future__ import annotations

from collections.abc import Collection

import mcp_types as types
from mcp.shared.exceptions import MCPError

from rutter_ap_prompts.loader import Prompt, load_prompt, load_prompts
from rutter_ap_server.mcp.icons import icons
from rutter_ap_tools.text import clean, quote

ARGUMENT_CHARACTERS_MAX = 200


def list_prompts(offered: Collection[str]) -> types.ListPromptsResult:
    """The prompts that can be carried out with the tools `offered`, by name."""
    return types.ListPromptsResult(prompts=[_listed(prompt) for prompt in load_prompts() if _fits(prompt, offered)])


def get_prompt(offered: Collection[str], name: str, given: dict[str, str]) -> types.GetPromptResult:
    """A prompt with its arguments filled in: cleaned, shortened, on one line each, and marked as a person's words.

    Raises `MCPError` (-32602) for a prompt that is not offered, and for missing or unknown arguments.
    """
    prompt = _prompt(offered, name)
    known = [argument.name for argument in prompt.arguments]
    marked = {key: quote(value, ARGUMENT_CHARACTERS_MAX) for key, value in given.items()}
    unknown = [clean(key, 60) for key in marked if key not in known]
    missing = [argument.name for argument in prompt.arguments if argument.required and not marked.get(argument.name)]
    if unknown:
        raise _invalid(f"unknown argument `{unknown[0]}`; the arguments of {prompt.name} are: {', '.join(known)}")
    if missing:
        raise _invalid(f"missing required arguments of {prompt.name}: {', '.join(missing)}")
    text = types.TextContent(text=prompt.filled(marked))
    return types.GetPromptResult(
        description=prompt.description, messages=[types.PromptMessage(role="user", content=text)]
    )


def completed_with(offered: Collection[str], name: str, argument: str) -> str:
    """The kind of live data that completes an argument, or "". Raises `MCPError` (-32602) for an unknown one."""
    prompt = _prompt(offered, name)
    for one in prompt.arguments:
        if one.name == argument:
            return one.completes
    raise _invalid(f"unknown argument `{clean(argument, 60)}` of {prompt.name}")


def _prompt(offered: Collection[str], name: str) -> Prompt:
    prompt = load_prompt(name)
    if prompt is None or not _fits(prompt, offered):
        # A prompt with hidden tools and one that does not exist return the same error.
        raise _invalid(f"unknown prompt: {clean(name, 60)}")
    return prompt


def _fits(prompt: Prompt, offered: Collection[str]) -> bool:
    return set(prompt.tools) <= set(offered)


def _listed(prompt: Prompt) -> types.Prompt:
    return types.Prompt(
        name=prompt.name,
        title=prompt.title,
        description=prompt.description,
        arguments=[
            types.PromptArgument(name=one.name, description=one.description, required=one.required)
            for one in prompt.arguments
        ],
        icons=icons("prompt"),
    )


def _invalid(message: str) -> MCPError:
    return MCPError(code=types.INVALID_PARAMS, message=message)
