from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FeatureKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FEATURE_KIND_UNSPECIFIED: _ClassVar[FeatureKind]
    FEATURE_KIND_NUMERIC: _ClassVar[FeatureKind]
    FEATURE_KIND_BOOLEAN: _ClassVar[FeatureKind]
    FEATURE_KIND_CATEGORICAL: _ClassVar[FeatureKind]
    FEATURE_KIND_TIMESTAMP: _ClassVar[FeatureKind]
    FEATURE_KIND_IMAGE: _ClassVar[FeatureKind]
FEATURE_KIND_UNSPECIFIED: FeatureKind
FEATURE_KIND_NUMERIC: FeatureKind
FEATURE_KIND_BOOLEAN: FeatureKind
FEATURE_KIND_CATEGORICAL: FeatureKind
FEATURE_KIND_TIMESTAMP: FeatureKind
FEATURE_KIND_IMAGE: FeatureKind

class ScoreRequest(_message.Message):
    __slots__ = ("model", "model_version", "float_matrix", "double_matrix", "columns", "packed_matrix", "arrow_ipc")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    FLOAT_MATRIX_FIELD_NUMBER: _ClassVar[int]
    DOUBLE_MATRIX_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    PACKED_MATRIX_FIELD_NUMBER: _ClassVar[int]
    ARROW_IPC_FIELD_NUMBER: _ClassVar[int]
    model: str
    model_version: str
    float_matrix: FloatMatrix
    double_matrix: DoubleMatrix
    columns: Columns
    packed_matrix: PackedMatrix
    arrow_ipc: bytes
    def __init__(self, model: _Optional[str] = ..., model_version: _Optional[str] = ..., float_matrix: _Optional[_Union[FloatMatrix, _Mapping]] = ..., double_matrix: _Optional[_Union[DoubleMatrix, _Mapping]] = ..., columns: _Optional[_Union[Columns, _Mapping]] = ..., packed_matrix: _Optional[_Union[PackedMatrix, _Mapping]] = ..., arrow_ipc: _Optional[bytes] = ...) -> None: ...

class PackedMatrix(_message.Message):
    __slots__ = ("n_features", "float32_values")
    N_FEATURES_FIELD_NUMBER: _ClassVar[int]
    FLOAT32_VALUES_FIELD_NUMBER: _ClassVar[int]
    n_features: int
    float32_values: bytes
    def __init__(self, n_features: _Optional[int] = ..., float32_values: _Optional[bytes] = ...) -> None: ...

class FloatMatrix(_message.Message):
    __slots__ = ("n_features", "values")
    N_FEATURES_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    n_features: int
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, n_features: _Optional[int] = ..., values: _Optional[_Iterable[float]] = ...) -> None: ...

class DoubleMatrix(_message.Message):
    __slots__ = ("n_features", "values")
    N_FEATURES_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    n_features: int
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, n_features: _Optional[int] = ..., values: _Optional[_Iterable[float]] = ...) -> None: ...

class Columns(_message.Message):
    __slots__ = ("columns",)
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    columns: _containers.RepeatedCompositeFieldContainer[Column]
    def __init__(self, columns: _Optional[_Iterable[_Union[Column, _Mapping]]] = ...) -> None: ...

class Column(_message.Message):
    __slots__ = ("name", "numbers", "strings", "booleans", "timestamps", "images", "nulls")
    NAME_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    STRINGS_FIELD_NUMBER: _ClassVar[int]
    BOOLEANS_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMPS_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    NULLS_FIELD_NUMBER: _ClassVar[int]
    name: str
    numbers: Numbers
    strings: Strings
    booleans: Booleans
    timestamps: Timestamps
    images: Images
    nulls: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, name: _Optional[str] = ..., numbers: _Optional[_Union[Numbers, _Mapping]] = ..., strings: _Optional[_Union[Strings, _Mapping]] = ..., booleans: _Optional[_Union[Booleans, _Mapping]] = ..., timestamps: _Optional[_Union[Timestamps, _Mapping]] = ..., images: _Optional[_Union[Images, _Mapping]] = ..., nulls: _Optional[_Iterable[int]] = ...) -> None: ...

class Numbers(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, values: _Optional[_Iterable[float]] = ...) -> None: ...

class Strings(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, values: _Optional[_Iterable[str]] = ...) -> None: ...

class Booleans(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[bool]
    def __init__(self, values: _Optional[_Iterable[bool]] = ...) -> None: ...

class Timestamps(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, values: _Optional[_Iterable[int]] = ...) -> None: ...

class Images(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, values: _Optional[_Iterable[bytes]] = ...) -> None: ...

class ScoreResponse(_message.Message):
    __slots__ = ("model", "model_version", "anomaly_score", "percentile", "is_anomaly", "threshold", "row_threshold")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    ANOMALY_SCORE_FIELD_NUMBER: _ClassVar[int]
    PERCENTILE_FIELD_NUMBER: _ClassVar[int]
    IS_ANOMALY_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    ROW_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    model: str
    model_version: str
    anomaly_score: _containers.RepeatedScalarFieldContainer[float]
    percentile: _containers.RepeatedScalarFieldContainer[float]
    is_anomaly: _containers.RepeatedScalarFieldContainer[bool]
    threshold: float
    row_threshold: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, model: _Optional[str] = ..., model_version: _Optional[str] = ..., anomaly_score: _Optional[_Iterable[float]] = ..., percentile: _Optional[_Iterable[float]] = ..., is_anomaly: _Optional[_Iterable[bool]] = ..., threshold: _Optional[float] = ..., row_threshold: _Optional[_Iterable[float]] = ...) -> None: ...

class ScoreStreamRequest(_message.Message):
    __slots__ = ("chunk",)
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    chunk: ScoreRequest
    def __init__(self, chunk: _Optional[_Union[ScoreRequest, _Mapping]] = ...) -> None: ...

class ScoreStreamResponse(_message.Message):
    __slots__ = ("index", "scores")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    index: int
    scores: ScoreResponse
    def __init__(self, index: _Optional[int] = ..., scores: _Optional[_Union[ScoreResponse, _Mapping]] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("rows",)
    ROWS_FIELD_NUMBER: _ClassVar[int]
    rows: ScoreRequest
    def __init__(self, rows: _Optional[_Union[ScoreRequest, _Mapping]] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("model", "model_version", "features", "explanations", "reference_score")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    EXPLANATIONS_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_SCORE_FIELD_NUMBER: _ClassVar[int]
    model: str
    model_version: str
    features: _containers.RepeatedScalarFieldContainer[str]
    explanations: _containers.RepeatedCompositeFieldContainer[Explanation]
    reference_score: float
    def __init__(self, model: _Optional[str] = ..., model_version: _Optional[str] = ..., features: _Optional[_Iterable[str]] = ..., explanations: _Optional[_Iterable[_Union[Explanation, _Mapping]]] = ..., reference_score: _Optional[float] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("anomaly_score", "contributions", "standard_errors")
    ANOMALY_SCORE_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTIONS_FIELD_NUMBER: _ClassVar[int]
    STANDARD_ERRORS_FIELD_NUMBER: _ClassVar[int]
    anomaly_score: float
    contributions: _containers.RepeatedScalarFieldContainer[float]
    standard_errors: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, anomaly_score: _Optional[float] = ..., contributions: _Optional[_Iterable[float]] = ..., standard_errors: _Optional[_Iterable[float]] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ("model", "model_version")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    model: str
    model_version: str
    def __init__(self, model: _Optional[str] = ..., model_version: _Optional[str] = ...) -> None: ...

class GetModelResponse(_message.Message):
    __slots__ = ("model", "threshold", "aliases", "create_time", "data_fingerprint", "contains_training_rows", "n_panel_rows", "parts", "verdict", "evidence", "library_versions")
    class LibraryVersionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MODEL_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    DATA_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    CONTAINS_TRAINING_ROWS_FIELD_NUMBER: _ClassVar[int]
    N_PANEL_ROWS_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    LIBRARY_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    model: Model
    threshold: Threshold
    aliases: _containers.RepeatedScalarFieldContainer[str]
    create_time: _timestamp_pb2.Timestamp
    data_fingerprint: str
    contains_training_rows: bool
    n_panel_rows: int
    parts: _containers.RepeatedCompositeFieldContainer[Part]
    verdict: str
    evidence: _struct_pb2.Struct
    library_versions: _containers.ScalarMap[str, str]
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ..., threshold: _Optional[_Union[Threshold, _Mapping]] = ..., aliases: _Optional[_Iterable[str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., data_fingerprint: _Optional[str] = ..., contains_training_rows: bool = ..., n_panel_rows: _Optional[int] = ..., parts: _Optional[_Iterable[_Union[Part, _Mapping]]] = ..., verdict: _Optional[str] = ..., evidence: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., library_versions: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Threshold(_message.Message):
    __slots__ = ("value", "rule", "group_column", "group_values")
    class GroupValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    VALUE_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    GROUP_COLUMN_FIELD_NUMBER: _ClassVar[int]
    GROUP_VALUES_FIELD_NUMBER: _ClassVar[int]
    value: float
    rule: str
    group_column: str
    group_values: _containers.ScalarMap[str, float]
    def __init__(self, value: _Optional[float] = ..., rule: _Optional[str] = ..., group_column: _Optional[str] = ..., group_values: _Optional[_Mapping[str, float]] = ...) -> None: ...

class Part(_message.Message):
    __slots__ = ("detector", "score_type", "weight", "n_members")
    DETECTOR_FIELD_NUMBER: _ClassVar[int]
    SCORE_TYPE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    N_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    detector: str
    score_type: str
    weight: float
    n_members: int
    def __init__(self, detector: _Optional[str] = ..., score_type: _Optional[str] = ..., weight: _Optional[float] = ..., n_members: _Optional[int] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "version", "features", "max_rows", "max_explained_rows")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    MAX_ROWS_FIELD_NUMBER: _ClassVar[int]
    MAX_EXPLAINED_ROWS_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    features: _containers.RepeatedCompositeFieldContainer[Feature]
    max_rows: int
    max_explained_rows: int
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., features: _Optional[_Iterable[_Union[Feature, _Mapping]]] = ..., max_rows: _Optional[int] = ..., max_explained_rows: _Optional[int] = ...) -> None: ...

class Feature(_message.Message):
    __slots__ = ("name", "kind", "is_nullable")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    IS_NULLABLE_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: FeatureKind
    is_nullable: bool
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[_Union[FeatureKind, str]] = ..., is_nullable: bool = ...) -> None: ...
