// What the compiler finds where libtorch is not set up: `.cargo/config.toml` puts this folder last on its path.
#include "libtorch is not set up in this checkout. Run: make setup"
