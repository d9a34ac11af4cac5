"""Prints the vectors of draft-goswami-agentic-jwt-00 beside it (hashes.json), with nothing but Python's own library.

    python3 test/vectors/agentic-jwt/hashes.py > test/vectors/agentic-jwt/hashes.json
"""

import hashlib
import json


def sha256(text):
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def chain(origin, ids, printed=None):
    row = {"origin": origin, "ids": ids, "hash": sha256("|".join(ids))[:16]}
    return {**row, "printed": printed} if printed else row


def checksum(origin, text):
    return {"origin": origin, "text": text, "sha256": sha256(text)}


CHAINS = [
    chain(
        "§4.4.4, delegation_chain. The draft prints another value.",
        ["supervisor", "planner", "patcher"],
        "f3e8d9c7b2a41a3c",
    ),
    chain(
        "§4.4.4, step_sequence_hash. The draft prints another value.",
        ["step_1_analyze", "step_2_plan", "step_3_patch"],
        "a7c9e2f4b8d61c3f",
    ),
    chain(
        "§4.2.2 with §4.4.4: the chain ends with the current agent, which is appended again.",
        ["supervisor", "planner", "patcher", "patcher"],
    ),
    chain("§6.6.3, step 10", ["supervisor-agent", "patch-planner", "vulnerability-patcher-v1"]),
    chain(
        "§6.6.3, with the step ids that are registered",
        [
            "step_1_analyze_manifest",
            "step_2_create_patch_plan",
            "step_3_approval_gate",
            "step_4_apply_patch",
        ],
    ),
    chain("§6.6.3, as it is written there", ["step_1", "step_2", "step_3", "step_4"]),
    chain("§4.4.4, of the first agent", ["supervisor-agent"]),
    chain("jmanhype/vaos-kernel, golden value of delegation_chain", ["supervisor", "agent-one"]),
    chain("jmanhype/vaos-kernel, golden value of step_sequence_hash", ["step-one", "step-two"]),
]

AGENT = {
    "config": {"model_name": "test-model", "temperature": 0},
    "id": "agent-one",
    "prompt": "Line one\nLine two",
    "tools": [{"description": "Read data", "name": "read", "signature": "read(source string)"}],
}
BY_TEXT = {
    "agent_id": AGENT["id"],
    "configuration": AGENT["config"],
    "prompt_template": AGENT["prompt"],
    "tools": [{"description": "Read data", "name": "read", "parameters": {}}],
}


def jcs(value):
    """RFC 8785 for these objects, which have ASCII text and whole numbers only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


CHECKSUMS = [
    checksum("§5.3.2, its members by RFC 8785; the golden value of jmanhype/vaos-kernel", jcs(AGENT)),
    checksum("§5.3.2, as its Python writes JSON", json.dumps(AGENT, sort_keys=True)),
    checksum("§5.3.1, its members by RFC 8785", jcs(BY_TEXT)),
]

print(json.dumps({"chains": CHAINS, "checksums": CHECKSUMS}, indent=2, ensure_ascii=False))
