#define SET avx512
#include "table.h"
