// A C interface to c10d, the part of libtorch that `torch.distributed` is: a group of processes
// over Gloo, met through a TCPStore, and over NCCL for tensors of GPUs where that is asked for.
//
// No C++ exception crosses: a call that fails gives 0, and its message in `error`, to be freed with
// `jem_free_text` of the other shim.
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct jem_group jem_group;

enum { JEM_SUM = 0, JEM_MAX = 1, JEM_MIN = 2 };
enum { JEM_STORE_OF_FIRST = -1, JEM_KEPT_STORE = -2 };

// Meets the other ranks. `listen` is a socket that listens for them; or this process is a client of
// the store at host and port, which is rank 0's, or one that the launcher keeps. `address` is this machine's, as the others reach it, or a
// network interface's name where `is_interface` says so. Null where it fails.
jem_group* jem_group_join(const char* host, int32_t port, int32_t rank, int32_t size, int64_t timeout_ms,
                          const char* prefix, int32_t listen, const char* address, int32_t is_interface,
                          char** error);
// Lets NCCL carry what lies on GPUs from here on: each rank has a GPU of its own. It meets the others only when there is
// something to carry. Only in builds with NCCL.
int32_t jem_group_join_gpus(jem_group* group, int32_t rank, char** error);
// Leaves without a word to the others.
void jem_group_leave(jem_group* group);

// All tensors are contiguous and the same on all ranks in shape and type: on the CPU, or on the rank's GPU where NCCL carries
// them.
int32_t jem_group_reduce(jem_group* group, void* tensor, int32_t operation, char** error);
int32_t jem_group_broadcast(jem_group* group, void* tensor, int32_t root, char** error);
// `all` has one more dimension than `tensor`, before the others, of as many as there are ranks.
int32_t jem_group_gather(jem_group* group, void* tensor, void* all, char** error);

// The sum over ranks of a tensor on any device, with a gradient to any order: that of the sum of all
// ranks' losses. Guarded as the exchanges of Rust's side are. A new tensor, or null.
void* jem_group_sum(jem_group* group, void* tensor, char** error);

// Notes at the store, which outlive the group's connections: for the time after a failure.
int32_t jem_group_note(jem_group* group, const char* key, const char* text, char** error);
// The text of a note, to be freed; null where there is none within the time, or no store.
char* jem_group_noted(jem_group* group, const char* key, int64_t timeout_ms);

// What our declarations of Gloo make of c10d's layout: compared with libtorch's own by a test.
int64_t jem_group_layout(void);
// The same of NCCL's group and of its options, which hold a struct of NCCL's own. Only in builds with NCCL.
int64_t jem_group_layout_gpus(int32_t options);

#ifdef __cplusplus
}
#endif
