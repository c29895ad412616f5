"""One measurement of OpenVINO GenAI's continuous batching, in a process of its own so that nothing of it stays.

usage: openvino_worker.py MODEL.gguf USERS PROMPT_TOKENS OUTPUT_TOKENS THREADS
Prints one JSON object. All requests are handed over at once, greedy, as token ids; a shorter batch warms up.
"""
import json
import random
import sys
import time

import numpy as np
import openvino
import openvino_genai

VOCAB = 49000  # ids that every tokenizer here has


def pipeline(model, users, threads):
    scheduler = openvino_genai.SchedulerConfig()
    scheduler.max_num_seqs = max(users, 16)
    scheduler.max_num_batched_tokens = 512
    scheduler.cache_size = 2  # GB
    scheduler.enable_prefix_caching = False
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "ENABLE_MMAP": True}
    return openvino_genai.ContinuousBatchingPipeline(model, scheduler, "CPU", settings)


def generate(pipe, users, prompt_tokens, output_tokens, draw):
    greedy = openvino_genai.GenerationConfig()
    greedy.max_new_tokens = output_tokens
    greedy.ignore_eos = True
    greedy.do_sample = False
    prompts = [openvino.Tensor(np.array([[draw.randrange(1000, VOCAB) for _ in range(prompt_tokens)]], np.int64))
               for _ in range(users)]
    start = time.perf_counter()
    results = pipe.generate(prompts, [greedy] * users)
    seconds = time.perf_counter() - start
    return sum(len(r.m_generation_ids[0]) for r in results), seconds


def main():
    model, users, prompt_tokens, output_tokens, threads = sys.argv[1], *map(int, sys.argv[2:6])
    draw = random.Random(1)
    pipe = pipeline(model, users, threads)
    generate(pipe, users, prompt_tokens, 4, draw)
    tokens, seconds = generate(pipe, users, prompt_tokens, output_tokens, draw)
    expected = users * output_tokens
    if tokens != expected:
        raise SystemExit(f"made {tokens} tokens instead of {expected}")
    print(json.dumps({"output": tokens / seconds, "seconds": seconds}))


if __name__ == "__main__":
    main()
