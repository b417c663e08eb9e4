"""The public model: decode requests, tokenize them together, schedule them, reply."""

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from phoserve.concurrency.circuit_breaker import CircuitBreaker
from phoserve.contract import (
    EMBEDDING,
    OTHER_MODEL,
    SERVED_BY,
    TEXT,
    TOKENS,
    TRUNCATED,
    InputType,
    ModelContract,
    runs_on_gpu,
)
from phoserve.errors import ConfigurationError, DeadlineExceeded, InvalidInput, PhoserveError, Unavailable
from phoserve.serving.batch_policy import BatchPolicy, PackedBatchPolicy, PaddedBatchPolicy
from phoserve.serving.encoders import Encoder, Ids, Infer, ModelEncoder, Vectors, resolve_concurrency
from phoserve.serving.metrics_buffer import MetricsBuffer
from phoserve.serving.queue import Job
from phoserve.serving.scheduler import Count, EncoderSlot, Scheduler
from phoserve.serving.tokenizing import Arrival, TokenizerThread, Tokens

MAX_TEXT_CHARACTERS = 200_000
"""Of one text, as in the API by default; a model reads far less."""
# How much longer a passage may wait than a query that arrives at the same time.
PASSAGE_PATIENCE_S = 2.0
# Names in the configurations of version 0.1, by what they are called now.
RENAMED_PARAMETERS = {"lanes": "max_concurrent_calls"}


Tensors = Mapping[str, NDArray[Any]]


# What a row of a batch is: a text, or a query and a passage.
Row = TypeVar("Row")
Input = TypeVar("Input", contravariant=True)


class TextEncoder(Protocol[Input]):
    """The part of a text pipeline that a public model needs."""

    @property
    def contract(self) -> ModelContract: ...

    def encode(self, texts: Sequence[Input], input_type: InputType = ...) -> Tokens: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request, rows in the order of its texts."""

    vectors: Vectors
    tokens: Ids
    truncated: NDArray[np.bool_]
    served_by: NDArray[np.object_]

    def tensors(self, name: str) -> Tensors:
        """Return the output tensors by name; the vectors are called `name`."""
        return {
            name: self.vectors,
            TOKENS: self.tokens[:, None],
            TRUNCATED: self.truncated[:, None],
            SERVED_BY: np.array([[name.encode()] for name in self.served_by], object),
        }


class Request(Protocol):
    """One caller's request; exactly one of `reply` and `refuse` is called, from any thread."""

    def strings(self, tensor: str) -> Sequence[bytes]:
        """Return the elements of an input tensor."""
        ...

    @property
    def input_type(self) -> str: ...
    @property
    def fingerprint(self) -> str | None:
        """The fingerprint of the model that the caller expects, if any."""
        ...

    @property
    def timeout_s(self) -> float | None: ...
    def cancelled(self) -> bool: ...
    def reply(self, tensors: Tensors) -> None: ...
    def refuse(self, error: PhoserveError) -> None: ...


@dataclass(frozen=True, slots=True)
class PublicModelOptions:
    """Limits of batches and of the queue; lengths in tokens."""

    encoders: str = "phobert_encoder_cpu"
    """Names of the encoder models, comma-separated, the preferred one first."""
    encoder_timeout_s: float = 120.0
    batch_tokens: int = 1024
    fallback_batch_tokens: int = 1024
    call_tokens: int = 1024
    """What a call costs a padded encoder beyond its cells, in tokens; `loadtests.gpu_encoder` measures it."""
    max_concurrent_calls: int = 1
    """Calls that the preferred encoder computes concurrently; 0 for the default of `resolve_concurrency`."""
    max_waiting_tokens: int = 262_144
    saturated_after_s: float = 2.0

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str]) -> "PublicModelOptions":
        """Return the options named in the `parameters` of a Triton model configuration, defaults for the rest."""
        given = {RENAMED_PARAMETERS.get(name, name): value for name, value in parameters.items()}
        named = {name: given[name] for name in cls.__slots__ if name in given}
        try:
            return msgspec.convert(named, cls, strict=False)
        except msgspec.ValidationError as error:
            raise ConfigurationError(f"a parameter of the public model is wrong: {error}") from error


class PublicModel(ABC, Generic[Row]):
    """A public model without Triton: accepts requests on any thread, schedules them on a loop of its own."""

    encoder_output: ClassVar[str]
    """The output tensor of its encoders."""

    def __init__(
        self,
        pipeline: TextEncoder[Row],
        encoders: Sequence[Encoder],
        count: Count,
        options: PublicModelOptions | None = None,
    ) -> None:
        options = options or PublicModelOptions()
        self._pipeline = pipeline
        self._loop = asyncio.new_event_loop()
        self._metrics = MetricsBuffer(count, self._loop)
        self._replies: set[asyncio.Task[None]] = set()
        self._scheduler = Scheduler(
            _slots(encoders, options),
            self._metrics,
            max_waiting_tokens=options.max_waiting_tokens,
            saturated_after_s=options.saturated_after_s,
        )
        self._thread = threading.Thread(target=self._loop.run_forever, name="scheduler", daemon=True)
        self._thread.start()
        self._tokenizer: TokenizerThread[Request, Row] = TokenizerThread(pipeline.encode, self._schedule)

    @classmethod
    def from_options(
        cls, pipeline: TextEncoder[Row], infer: Infer, count: Count, parameters: Mapping[str, str]
    ) -> Self:
        """Return the public model of the encoder models that `parameters` name, called through `infer`."""
        options = PublicModelOptions.from_parameters(parameters)
        contract = pipeline.contract
        encoders = [
            ModelEncoder(
                name,
                layout="padded" if runs_on_gpu(name) else contract.layout,
                infer=infer,
                timeout_s=options.encoder_timeout_s,
                output=cls.encoder_output,
                padding_id=contract.padding_id,
            )
            for name in options.encoders.split(",")
        ]
        return cls(pipeline, encoders, count, options)

    def accept(self, requests: Sequence[Request]) -> None:
        """Queue `requests` to be tokenized and scheduled; return before they are answered."""
        now = time.monotonic()
        arrivals: list[Arrival[Request, Row]] = []
        for request in requests:
            try:
                self._check_model(request)
                deadline_s = now + request.timeout_s if request.timeout_s else float("inf")
                arrivals.append(Arrival(request, _input_type(request), self.rows_of(request), deadline_s))
            except PhoserveError as error:
                request.refuse(error)
        self._tokenizer.add(arrivals)

    @abstractmethod
    def rows_of(self, request: Request) -> list[Row]:
        """Return the decoded rows of the request. Raises InvalidInput."""

    @abstractmethod
    def tensors_of(self, answer: Answer) -> Tensors:
        """Return the output tensors by name."""

    def close(self) -> None:
        """Finish the calls in flight and stop."""
        self._tokenizer.close()
        asyncio.run_coroutine_threadsafe(self._drain(), self._loop).result(timeout=30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._metrics.flush()

    def _check_model(self, request: Request) -> None:
        """Refuse a request for another model: during a rollout, a client may reach servers of both."""
        own = self._pipeline.contract.fingerprint
        if request.fingerprint not in {None, own}:
            raise Unavailable("triton", f"{OTHER_MODEL} {own}, not {request.fingerprint}")

    def _schedule(self, arrivals: "list[Arrival[Request, Row]]") -> None:
        """Queue the jobs of requests whose texts are tokenized."""
        now = time.monotonic()
        jobs: list[tuple[Request, Job, NDArray[np.bool_]]] = []
        for arrival in arrivals:
            truncated = np.array(arrival.truncated, bool)
            self._metrics("truncated_texts_total", int(truncated.sum()), "")
            job = Job(
                ids=np.concatenate(arrival.ids) if arrival.ids else np.empty(0, np.int32),
                lengths=np.array([len(ids) for ids in arrival.ids], np.int32),
                due_s=now + (PASSAGE_PATIENCE_S if arrival.input_type is InputType.PASSAGE else 0.0),
                deadline_s=arrival.deadline_s,
                cancelled=arrival.request.cancelled,
            )
            jobs.append((arrival.request, job, truncated))
        self._loop.call_soon_threadsafe(self._submit, jobs)

    def _submit(self, jobs: list[tuple[Request, Job, NDArray[np.bool_]]]) -> None:
        """Queue jobs on the loop; their requests are answered when they are done."""
        for request, job, truncated in jobs:
            task = self._loop.create_task(self._answer(request, job, truncated))
            self._replies.add(task)
            task.add_done_callback(self._replies.discard)

    async def _answer(self, request: Request, job: Job, truncated: NDArray[np.bool_]) -> None:
        try:
            embedded = await self._scheduler.submit(job)
            request.reply(self.tensors_of(Answer(embedded.vectors, job.lengths, truncated, embedded.served_by)))
        except PhoserveError as error:
            request.refuse(error)
        except Exception as error:  # the server cannot send it: the caller gets an error, the batch its other answers
            request.refuse(Unavailable("triton", f"the answer could not be sent: {error}"))

    async def _drain(self) -> None:
        await self._scheduler.drain()
        while self._replies:
            await asyncio.wait(self._replies)


class EmbeddingPublicModel(PublicModel[str]):
    """The public model of embeddings."""

    encoder_output = EMBEDDING

    def rows_of(self, request: Request) -> list[str]:
        """Return the texts."""
        return decoded(request.strings(TEXT), TEXT)

    def tensors_of(self, answer: Answer) -> Tensors:
        """Return the vectors and how they were computed."""
        return answer.tensors(EMBEDDING)


def decoded(texts: Sequence[bytes], tensor: str) -> list[str]:
    """Return the elements of `tensor` as text. Raises InvalidInput that names the first that is not UTF-8."""
    found = []
    for index, text in enumerate(texts):
        try:
            found.append(text.decode())
            if len(found[-1]) > MAX_TEXT_CHARACTERS:
                raise InvalidInput(f"{tensor}[{index}] is longer than {MAX_TEXT_CHARACTERS} characters")
        except UnicodeDecodeError as error:
            raise InvalidInput(f"{tensor}[{index}] is not valid UTF-8: {error.reason} at byte {error.start}") from None
    return found


def status_of(error: PhoserveError) -> str:
    """Return the name of the Triton status for `error`."""
    if isinstance(error, InvalidInput):
        return "INVALID_ARG"
    return "CANCELLED" if isinstance(error, DeadlineExceeded) else "UNAVAILABLE"


def _slots(encoders: Sequence[Encoder], options: PublicModelOptions) -> list[EncoderSlot]:
    last = len(encoders) - 1
    return [
        EncoderSlot(
            encoder,
            policy=_batch_policy(
                encoder, options.batch_tokens if index == 0 else options.fallback_batch_tokens, options
            ),
            max_concurrent_calls=resolve_concurrency(options.max_concurrent_calls) if index == 0 else 1,
            breaker=CircuitBreaker() if index < last else None,
        )
        for index, encoder in enumerate(encoders)
    ]


def _batch_policy(encoder: Encoder, batch_tokens: int, options: PublicModelOptions) -> BatchPolicy:
    return (
        PackedBatchPolicy(batch_tokens)
        if encoder.layout == "packed"
        else PaddedBatchPolicy(batch_tokens, options.call_tokens)
    )


def _input_type(request: Request) -> InputType:
    try:
        return InputType(request.input_type)
    except ValueError:
        raise InvalidInput(f"input_type is {request.input_type!r}; it must be 'query' or 'passage'") from None
