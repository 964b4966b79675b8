#define SET plain
#include "table.h"
