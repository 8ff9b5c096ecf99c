"""What all kernels know: activations and penalties as integers, and some constants."""

IDENTITY, LOGISTIC, TANH, RELU, LEAKY_RELU, ELU, SELU, GELU, SILU, MISH = range(10)

ACTIVATIONS = {
    "identity": IDENTITY,
    "logistic": LOGISTIC,
    "tanh": TANH,
    "relu": RELU,
    "leaky_relu": LEAKY_RELU,
    "elu": ELU,
    "selu": SELU,
    "gelu": GELU,
    "silu": SILU,
    "mish": MISH,
}

# Slope of leaky_relu for negative inputs (Maas et al., 2013).
LEAKY_SLOPE = 0.01

# Fixed-point constants of selu (Klambauer et al., 2017, equation 14).
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805

# Times the bound of a squashed value, from where on it is the bound; the square is in float32.
FAR = 2.0**60

# Penalties that act on each weight alone, of a segment of parameters.
UNPENALIZED, ELASTIC_NET, L0 = range(3)
