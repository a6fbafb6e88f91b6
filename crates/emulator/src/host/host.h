// CUDA C++ on a CPU: what a kernel may use, in terms of fibers. One copy of the library belongs to one OS thread at a
// time, so that everything here is a plain static.
#pragma once
#include <algorithm>
#include <cmath>
#include <csetjmp>
#include <csignal>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <limits>
#include <list>
#include <math.h>
#include <sys/mman.h>
#include <unistd.h>
#include <type_traits>
#include <utility>
#include <vector>

// Each builds on those before it.
#include "types.h"
#include "context.h"
#include "fibers.h"
#include "waits.h"
#include "deadlock.h"
#include "sanitizer.h"
#include "warp.h"
#include "atomics.h"
#include "intrinsics.h"
#include "narrow.h"
#include "async.h"
#include "ldmatrix.h"
#include "mma.h"
#include "mbarrier.h"
#include "cluster.h"
#include "barriers.h"
#include "bulk.h"
#include "descriptor.h"
#include "products.h"
#include "wgmma.h"
#include "run.h"
