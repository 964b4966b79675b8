// What a group is on this side of the interface.
#pragma once

#include "world.h"

#include "../../aten/shim/guard.h"

#include <ATen/ATen.h>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>
#include <thread>

struct jem_group {
  std::chrono::milliseconds timeout;
  int32_t size;
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::Backend> backend;
  // NCCL, for tensors of GPUs; none where they go through the host's memory. Declared last, it is taken apart before
  // the store that it stands on.
  c10::intrusive_ptr<c10d::Backend> gpus;
};

// What carries a tensor.
inline c10d::Backend& carrier(jem_group* group, const at::Tensor& tensor) {
  return group->gpus && tensor.is_cuda() ? *group->gpus : *group->backend;
}

inline at::Tensor& tensor_of(void* pointer) { return *static_cast<at::Tensor*>(pointer); }

// Waits for what was begun; the time-out is that of the group. For the first moment it asks again and again, giving its
// core to whoever wants it: a message between processes of one machine takes a tenth of the time that a processor takes
// to wake up, and a step of a small network has four of them.
inline void finish(jem_group* group, const c10::intrusive_ptr<c10d::Work>& work) {
  const auto patience = std::chrono::steady_clock::now() + std::chrono::milliseconds(2);
  while (!work->isCompleted() && std::chrono::steady_clock::now() < patience) std::this_thread::yield();
  work->wait(group->timeout);
}

// Puts the tensors of all ranks into `all`, by rank.
inline void gather(jem_group* group, const at::Tensor& own, const at::Tensor& all) {
  std::vector<at::Tensor> tensors{own};
  std::vector<std::vector<at::Tensor>> outputs{all.unbind(0)};
  c10d::AllgatherOptions options;
  options.timeout = group->timeout;
  finish(group, carrier(group, own).allgather(outputs, tensors, options));
}

// The tensors of all ranks, each in one dimension, by rank.
inline at::Tensor gathered(jem_group* group, const at::Tensor& own) {
  auto all = at::empty({group->size, own.numel()}, own.options());
  gather(group, own, all);
  return all;
}
