"""The registered kinds of models. Importing this imports no torch."""

from bench.models import classical, estimators, library_forecasters, parameters, state_parameters
from bench.models.base import Choice, FloatRange, ModelKind, SearchRange
from bench.models.classical import AutoARIMAParameters, ETSParameters, ThetaParameters
from bench.models.estimators import EstimatorParameters
from bench.models.from_source import Kinds
from bench.models.library_forecasters import DartsParameters, NeuralForecastParameters
from bench.registry import extended
from bench.tasks import Task

# Dropout is not searched: it is valid only with two layers or more, and a search proposes only valid values.
_RECURRENT: dict[str, SearchRange] = {
    "hidden_size": Choice((8, 16, 32, 64)),
    "layers": Choice((1, 2)),
    "learning_rate": FloatRange(1e-4, 1e-2, log=True),
}

_WIDTH = Choice((8, 16, 32, 64))
_LEARNING_RATE = FloatRange(1e-4, 1e-2, log=True)
_LINEAR_RATE = FloatRange(1e-4, 1e-1, log=True)  # one linear map bears larger steps

_OWN_CHANNELS = (parameters.refuse_other_values, parameters.refuse_variable, parameters.refuse_every_step)
"""What a network that forecasts each channel as itself, from whole windows, cannot do."""

_FROM_HISTORY = (parameters.refuse_other_values, parameters.refuse_variable)
"""What a classical forecaster of each channel cannot do."""

_OF_LIBRARY = (parameters.refuse_other_values, parameters.refuse_variable, library_forecasters.refuse_other_arguments)
"""What a forecaster of another library cannot do."""

_EVERY_TASK = frozenset[Task]({"forecast", "denoise", "classify"})

MODELS: dict[str, ModelKind] = {
    "persistence": ModelKind(
        summary="the last value again: the reference every forecaster must beat",
        parameters=parameters.NoParameters,
        builder="bench.models.naive:Persistence",
        gradient=False,
        tasks=frozenset({"forecast", "denoise"}),
        refusals=(parameters.refuse_other_values, parameters.refuse_variable),
        reads_covariates=False,
        in_original_units=True,
    ),
    "drift": ModelKind(
        summary="the last value plus the mean one-step change of the train part",
        parameters=parameters.NoParameters,
        builder="bench.models.naive:Drift",
        gradient=False,
        refusals=(parameters.refuse_other_values, parameters.refuse_variable),
        reads_covariates=False,
        in_original_units=True,
    ),
    "mean": ModelKind(
        summary="the mean of the train part; of classes, their shares",
        parameters=parameters.NoParameters,
        builder="bench.models.naive:Mean",
        gradient=False,
        tasks=_EVERY_TASK,
        reads_covariates=False,
    ),
    "seasonal-naive": ModelKind(
        summary="the value one season ago",
        parameters=parameters.SeasonalNaiveParameters,
        builder="bench.models.naive:SeasonalNaive",
        gradient=False,
        refusals=(parameters.refuse_other_values, parameters.refuse_variable),
        reads_covariates=False,
        in_original_units=True,
    ),
    "linear-ar": ModelKind(
        summary="linear autoregression with a ridge penalty",
        parameters=parameters.LinearARParameters,
        builder="bench.models.linear:LinearAR",
        gradient=False,
        tasks=frozenset({"forecast", "denoise"}),
        search={"alpha": FloatRange(1e-10, 1.0, log=True)},
        refusals=(parameters.refuse_variable,),
    ),
    "ets": ModelKind(
        summary="exponential smoothing: level, trend and seasons, over the whole history (statsmodels)",
        parameters=ETSParameters,
        builder="bench.models.classical:ETS",
        gradient=False,
        forecaster=True,
        refusals=_FROM_HISTORY,
        reads_covariates=False,
        lacks=classical.lacks,
    ),
    "theta": ModelKind(
        summary="the Theta method: exponential smoothing with drift, over the whole history (statsmodels)",
        parameters=ThetaParameters,
        builder="bench.models.classical:Theta",
        gradient=False,
        forecaster=True,
        refusals=_FROM_HISTORY,
        reads_covariates=False,
        lacks=classical.lacks,
    ),
    "auto-arima": ModelKind(
        summary="ARIMA whose order has the smallest AICc, over the whole history (statsmodels)",
        parameters=AutoARIMAParameters,
        builder="bench.models.classical:AutoARIMA",
        gradient=False,
        forecaster=True,
        refusals=_FROM_HISTORY,
        reads_covariates=False,
        lacks=classical.lacks,
    ),
    "logistic-regression": ModelKind(
        summary="multinomial logistic regression on all of the window",
        parameters=parameters.NoParameters,
        builder="bench.models.linear:LogisticRegression",
        tasks=frozenset({"classify"}),
        search={"learning_rate": FloatRange(1e-4, 1e-1, log=True)},
        refusals=(parameters.refuse_variable,),
    ),
    "sklearn": ModelKind(
        summary="a regressor of scikit-learn, LightGBM, XGBoost or CatBoost on lags",
        parameters=EstimatorParameters,
        builder="bench.models.estimators:build",
        gradient=False,
        refusals=(parameters.refuse_variable, estimators.refuse_other_recursion),
        stochastic=estimators.draws,
        lacks=estimators.lacks,
    ),
    "darts": ModelKind(
        summary="a model of Darts, where it is installed",
        parameters=DartsParameters,
        builder="bench.models.library_forecasters:DartsForecaster",
        gradient=False,
        forecaster=True,
        refusals=_OF_LIBRARY,
        stochastic=library_forecasters.draws,
        lacks=library_forecasters.lacks,
    ),
    "neuralforecast": ModelKind(
        summary="a network of NeuralForecast, where it is installed",
        parameters=NeuralForecastParameters,
        builder="bench.models.library_forecasters:NeuralForecastForecaster",
        gradient=False,
        forecaster=True,
        refusals=_OF_LIBRARY,
        stochastic=library_forecasters.draws,
        lacks=library_forecasters.lacks,
    ),
    "rnn": ModelKind(
        summary="simple recurrent network, linear on its states",
        parameters=parameters.RNNParameters,
        builder="bench.models.recurrent:build_rnn",
        tasks=_EVERY_TASK,
        search=_RECURRENT,
        refusals=(parameters.refuse_both_ways,),
    ),
    "lstm": ModelKind(
        summary="long short-term memory, linear on its states",
        parameters=parameters.RecurrentParameters,
        builder="bench.models.recurrent:build_lstm",
        tasks=_EVERY_TASK,
        search=_RECURRENT,
        refusals=(parameters.refuse_both_ways,),
    ),
    "gru": ModelKind(
        summary="gated recurrent unit, linear on its states",
        parameters=parameters.RecurrentParameters,
        builder="bench.models.recurrent:build_gru",
        tasks=_EVERY_TASK,
        search=_RECURRENT,
        refusals=(parameters.refuse_both_ways,),
    ),
    "encoder-decoder": ModelKind(
        summary="LSTM or GRU encoder and decoder, teacher forcing while training",
        parameters=parameters.EncoderDecoderParameters,
        builder="bench.models.encoder_decoder:EncoderDecoder",
        search=_RECURRENT,
        refusals=(parameters.refuse_other_values, parameters.refuse_variable, parameters.refuse_every_step),
    ),
    "mingru": ModelKind(
        summary="GRU whose gates see the input alone, computed by a scan; linear on its states",
        parameters=state_parameters.StateParameters,
        builder="bench.models.minimal_recurrent:build_mingru",
        tasks=_EVERY_TASK,
        search=_RECURRENT,
    ),
    "minlstm": ModelKind(
        summary="LSTM whose gates see the input alone, computed by a scan; linear on its states",
        parameters=state_parameters.StateParameters,
        builder="bench.models.minimal_recurrent:build_minlstm",
        tasks=_EVERY_TASK,
        search=_RECURRENT,
    ),
    "slstm": ModelKind(
        summary="LSTM with exponential gates and a normaliser (xLSTM), linear on its states",
        parameters=state_parameters.SLSTMParameters,
        builder="bench.models.slstm:build",
        tasks=_EVERY_TASK,
        search=_RECURRENT,
    ),
    "lru": ModelKind(
        summary="linear recurrent unit: a complex diagonal recurrence in residual blocks",
        parameters=state_parameters.LRUParameters,
        builder="bench.models.lru:build",
        tasks=_EVERY_TASK,
        search=_RECURRENT | {"state_size": Choice((16, 32, 64))},
    ),
    "s4d": ModelKind(
        summary="diagonal state space model, a long convolution, in residual blocks",
        parameters=state_parameters.S4DParameters,
        builder="bench.models.s4d:build",
        tasks=_EVERY_TASK,
        search=_RECURRENT | {"state_size": Choice((16, 64))},
    ),
    "selective-ssm": ModelKind(
        summary="selective state space model (Mamba), whose step, input and output depend on what is read",
        parameters=state_parameters.SelectiveSSMParameters,
        builder="bench.models.selective_ssm:build",
        tasks=_EVERY_TASK,
        search=_RECURRENT | {"state_size": Choice((8, 16))},
    ),
    "echo-state": ModelKind(
        summary="echo-state network: a fixed random reservoir, read by ridge regression",
        parameters=state_parameters.EchoStateParameters,
        builder="bench.models.echo_state:EchoState",
        gradient=False,
        stochastic=True,
        search={
            "spectral_radius": FloatRange(0.1, 1.5),
            "leaking_rate": FloatRange(0.1, 1.0),
            "input_scaling": FloatRange(0.1, 10.0, log=True),
            "alpha": FloatRange(1e-10, 1.0, log=True),
        },
        refusals=(parameters.refuse_variable,),
    ),
    "mlp": ModelKind(
        summary="multi-layer perceptron on all of the window",
        parameters=parameters.MLPParameters,
        builder="bench.models.mlp:MLP",
        tasks=frozenset({"forecast", "classify"}),
        search={
            "hidden_size": Choice((16, 32, 64, 128)),
            "layers": Choice((1, 2, 3)),
            "learning_rate": _LEARNING_RATE,
        },
        refusals=(parameters.refuse_variable, parameters.refuse_every_step),
    ),
    "dlinear": ModelKind(
        summary="linear maps of a moving average and of the remainder, each channel on its own",
        parameters=parameters.DLinearParameters,
        builder="bench.models.dlinear:DLinear",
        search={"kernel_size": Choice((5, 13, 25)), "learning_rate": _LINEAR_RATE},
        refusals=_OWN_CHANNELS,
        reads_covariates=False,
    ),
    "nlinear": ModelKind(
        summary="a linear map of the window less its last value, each channel on its own",
        parameters=parameters.NoParameters,
        builder="bench.models.dlinear:NLinear",
        search={"learning_rate": _LINEAR_RATE},
        refusals=_OWN_CHANNELS,
        reads_covariates=False,
    ),
    "tcn": ModelKind(
        summary="temporal convolutional network: causal dilated convolutions with residuals",
        parameters=parameters.TCNParameters,
        builder="bench.models.tcn:TCN",
        tasks=_EVERY_TASK,
        search={"hidden_size": _WIDTH, "kernel_size": Choice((2, 3, 5)), "learning_rate": _LEARNING_RATE},
        refusals=(parameters.refuse_variable,),
    ),
    "n-beats": ModelKind(
        summary="blocks of fully connected layers on each other's residuals, each channel on its own",
        parameters=parameters.NBeatsParameters,
        builder="bench.models.nbeats:NBeats",
        search={
            "hidden_size": Choice((16, 32, 64, 128)),
            "blocks": Choice((1, 2, 3, 4)),
            "learning_rate": _LEARNING_RATE,
        },
        refusals=_OWN_CHANNELS,
        reads_covariates=False,
    ),
    "tsmixer": ModelKind(
        summary="perceptrons that mix steps and perceptrons that mix channels, in turn",
        parameters=parameters.TSMixerParameters,
        builder="bench.models.tsmixer:TSMixer",
        search={"hidden_size": _WIDTH, "layers": Choice((1, 2, 4)), "learning_rate": _LEARNING_RATE},
        refusals=_OWN_CHANNELS,
    ),
    "transformer": ModelKind(
        summary="causal Transformer encoder, linear on its states",
        parameters=parameters.TransformerParameters,
        builder="bench.models.transformer:Transformer",
        tasks=_EVERY_TASK,
        search={"heads": Choice((1, 2, 4)), **_RECURRENT},
        refusals=(parameters.refuse_variable,),
    ),
    "patchtst": ModelKind(
        summary="Transformer encoder over patches of the window, each channel on its own",
        parameters=parameters.PatchTSTParameters,
        builder="bench.models.patchtst:PatchTST",
        search={"hidden_size": _WIDTH, "layers": Choice((1, 2, 3)), "learning_rate": _LEARNING_RATE},
        refusals=_OWN_CHANNELS,
        reads_covariates=False,
    ),
}


def model_kinds() -> dict[str, ModelKind]:
    """`MODELS`, and the kinds that other distributions register as entry points of ``bench.models``.

    Classes that a suite names by their source are looked up in it too, where that is allowed.

    Raises
    ------
    InputError
        An entry point takes a name that is taken, cannot be imported, or is no `ModelKind`.
    """
    return Kinds(extended(MODELS, "bench.models", ModelKind))
