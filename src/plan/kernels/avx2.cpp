#define SET avx2
#include "table.h"
