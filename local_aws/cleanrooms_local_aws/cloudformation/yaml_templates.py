"""Templates in YAML with every short form of a function, and with names that are text whatever YAML takes them for.

Upstream could take this: the tags are missing in its list, and its loader reads an account's id as a number.
"""

from typing import Any, Final

from .. import emulator

_TAGS: Final = {
    "!GetStackOutput": "Fn::GetStackOutput",
    "!Length": "Fn::Length",
    "!ToJsonString": "Fn::ToJsonString",
    "!Transform": "Fn::Transform",
}


def install() -> None:
    """Have the emulator read templates this way."""
    engine = emulator.module("services.cloudformation.engine")
    loader = engine.CfnLoader
    for tag, function in _TAGS.items():
        loader.add_constructor(tag, engine._construct_cfn_tag(function))
    construct_mapping = loader.construct_mapping

    def construct_with_text_keys(self: Any, node: Any, deep: bool = False) -> Any:
        for key, _ in node.value:
            if key.tag.startswith("tag:yaml.org,2002:") and key.tag != "tag:yaml.org,2002:merge" and isinstance(key.value, str):
                key.tag = "tag:yaml.org,2002:str"
        return construct_mapping(self, node, deep=deep)

    loader.construct_mapping = construct_with_text_keys
