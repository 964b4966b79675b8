// What a group is on this side of the interface.
#pragma once

#include "world.h"

#include "../../aten/shim/guard.h"

#include <ATen/core/Tensor.h>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

struct jem_group {
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::Backend> backend;
  std::chrono::milliseconds timeout;
  int32_t size;
};

inline at::Tensor& tensor_of(void* pointer) { return *static_cast<at::Tensor*>(pointer); }

// Waits for what was begun; the time-out is that of the group.
inline void finish(jem_group* group, const c10::intrusive_ptr<c10d::Work>& work) {
  work->wait(group->timeout);
}
