"""Writes a Hugging Face folder with GPT-2 124M in random weights and the byte-level BPE of a GGUF file, padded to its vocabulary.

usage: make_gpt2.py TOKENIZER.gguf FOLDER
"""
import sys

import torch
from gguf import GGUFReader
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

END = "<|endoftext|>"


def tokenizer(path, vocabulary):
    fields = GGUFReader(path).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    tokens += [f"<|unused_{i}|>" for i in range(vocabulary - len(tokens))]
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"].contents()]
    made = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token=END, eos_token=END, unk_token=END)


def main():
    source, folder = sys.argv[1:3]
    torch.manual_seed(20)
    GPT2LMHeadModel(GPT2Config(bos_token_id=0, eos_token_id=0)).save_pretrained(folder)
    tokenizer(source, GPT2Config().vocab_size).save_pretrained(folder)


if __name__ == "__main__":
    main()
