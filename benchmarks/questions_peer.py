"""Hugging Face's question answering, for benchmarks/questions.py: trained as transformers' run_qa does, used through its pipeline."""

import itertools
import math
import random
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import spacy
import torch
from spacy.training import Example
from transformers import AutoModelForQuestionAnswering, get_linear_schedule_with_warmup
from transformers import pipeline as make_pipeline

from spacy_clinicalbert.encoder.checkpoints import load_checkpoint
from spacy_clinicalbert.questions.asked import Known, read_known

SIZE, STRIDE, MAX_QUESTION, MAX_ANSWER = 256, 64, 64, 80  # wordpieces, as configs/qa.cfg has them
Candidates = List[Tuple[int, int, float]]  # characters and score, best first


def peer_features(tokenizer: Any, text: str, known: Known, n_windows: int) -> Dict[str, List[Any]]:
    """Windows of a question, as transformers' run_qa cuts them, with where the answer starts and ends."""
    given = tokenizer(
        known.question.text, text, truncation="only_second", max_length=SIZE + MAX_QUESTION, stride=STRIDE,
        return_overflowing_tokens=True, return_offsets_mapping=True, padding="max_length", return_token_type_ids=True,
    )  # fmt: skip
    holding, others = [], []
    for i, offsets in enumerate(given["offset_mapping"]):
        places = [j for j, of in enumerate(given.sequence_ids(i)) if of == 1]
        starts, ends = offsets[places[0]][0], offsets[places[-1]][1]
        for first, last in known.places[:1]:
            if starts <= first and last <= ends:
                start = next(j for j in places if offsets[j][1] > first)
                end = next(j for j in reversed(places) if offsets[j][0] < last)
                holding.append((i, start, end))
            elif last <= starts or ends <= first:
                others.append((i, 0, 0))
        if not known.places:
            others.append((i, 0, 0))
    random.shuffle(holding)
    random.shuffle(others)
    chosen = holding[: n_windows // 2]
    chosen += others[: n_windows - len(chosen)]
    features = {key: [given[key][i] for i, *_ in chosen] for key in ("input_ids", "attention_mask", "token_type_ids")}
    features.update(start_positions=[start for _, start, _ in chosen], end_positions=[end for *_, end in chosen])
    return features if holding or not known.places else {key: [] for key in features}


def fit_peer(encoder: str, examples: List[Example], output: Path, seed: int, epochs: int, rate: float) -> None:
    """Train on examples, two in a step, and save."""
    spacy.util.fix_random_seed(seed)
    tokenizer = load_checkpoint(encoder).tokenizer  # with the casing that the checkpoint was trained with
    model = AutoModelForQuestionAnswering.from_pretrained(encoder)
    n_steps = epochs * math.ceil(len(examples) / 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    schedule = get_linear_schedule_with_warmup(optimizer, n_steps // 10, n_steps)
    types = model.config.type_vocab_size > 1
    order: Iterator[Example] = iter(())
    for step in range(n_steps):
        if step % math.ceil(len(examples) / 2) == 0:
            random.shuffle(examples)
            order = iter(examples)
        features: Dict[str, List[Any]] = {}
        for example in itertools.islice(order, 2):
            for known in read_known(example, "clinical_qa"):
                for key, values in peer_features(tokenizer, example.reference.text, known, 4).items():
                    features.setdefault(key, []).extend(values)
        if not types:
            del features["token_type_ids"]
        model.train()
        for first in range(0, len(features["input_ids"]), 8):  # the gradient of all, in passes that fit
            part = {key: torch.tensor(values[first : first + 8]) for key, values in features.items()}
            (model(**part).loss * len(part["input_ids"]) / len(features["input_ids"])).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)


def peer_system(path: str) -> Callable[[str, List[str]], List[Candidates]]:
    peer = make_pipeline("question-answering", model=path, tokenizer=path, device="cpu")
    settings = {"top_k": 6, "handle_impossible_answer": True, "max_answer_len": MAX_ANSWER}
    settings.update(max_seq_len=SIZE + MAX_QUESTION, doc_stride=STRIDE, max_question_len=MAX_QUESTION)

    def answer(text: str, questions: List[str]) -> List[Candidates]:
        found = [peer(question=each, context=text, **settings) for each in questions]
        return [[(row["start"], row["end"], row["score"]) for row in rows if row["answer"]][:5] for rows in found]

    return answer
