// Forward differentiation and vmap: libtorch's levels, entered and left by Rust.

#include <ATen/core/Tensor.h>
#include <ATen/functorch/BatchedTensorImpl.h>
#include <ATen/functorch/DynamicLayer.h>
#include <ATen/functorch/TensorWrapper.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/forward_grad.h>

#include "guard.h"
#include "shim.h"

namespace {

using at::Tensor;

Tensor& of(void* pointer) { return *static_cast<Tensor*>(pointer); }

// A new tensor for Rust, or null with an error.
template <class Make>
void* made(char** error, Make make) {
  void* out = nullptr;
  jem::guarded(error, [&] { out = new Tensor(make()); });
  return out;
}

template <class Enter>
int64_t entered(char** error, Enter enter) {
  int64_t level = -1;
  jem::guarded(error, [&] { level = static_cast<int64_t>(enter()); });
  return level;
}

// Levels are left in the order in which they were entered, so that this cannot fail; and where it
// did, there would be nobody to tell.
template <class Leave>
void left(Leave leave) {
  char* error = nullptr;
  jem::guarded(&error, leave);
  free(error);
}

}  // namespace

extern "C" {

void jem_share_version(void* tensor, void* with) {
  of(tensor).unsafeGetTensorImpl()->set_version_counter(of(with).unsafeGetTensorImpl()->version_counter());
}

int64_t jem_forward_enter(char** error) {
  return entered(error, [] { return torch::autograd::ForwardADLevel::get_next_idx(); });
}
void jem_forward_leave(int64_t level) {
  left([&] { torch::autograd::ForwardADLevel::release_idx(static_cast<uint64_t>(level)); });
}
void* jem_forward_make(void* primal, void* tangent, int64_t level, char** error) {
  return made(error, [&] {
    auto dual = of(primal).view_as(of(primal));
    dual._set_fw_grad(of(tangent), static_cast<uint64_t>(level), /*is_inplace_op=*/false);
    return dual;
  });
}
void* jem_forward_tangent(void* tensor, int64_t level, char** error) {
  void* out = nullptr;
  jem::guarded(error, [&] {
    auto& tangent = of(tensor)._fw_grad(static_cast<uint64_t>(level));
    if (tangent.defined()) out = new Tensor(tangent);
  });
  return out;
}
void* jem_forward_primal(void* tensor, int64_t level, char** error) {
  return made(error, [&] { return of(tensor)._fw_primal(level); });
}

int64_t jem_vmap_enter(int64_t size, char** error) {
  using namespace at::functorch;
  return entered(error, [&] {
    return initAndPushDynamicLayer(TransformType::Vmap, c10::SymInt(size), RandomnessType::Different);
  });
}
void jem_vmap_leave(void) {
  left([] { at::functorch::popDynamicLayerAndDeleteMetadata(); });
}
void* jem_vmap_wrap(void* tensor, int64_t dimension, int64_t level, char** error) {
  return made(error, [&] { return at::functorch::addBatchDim(of(tensor), dimension, level); });
}
void* jem_vmap_unwrap(void* tensor, int64_t level, int64_t size, char** error) {
  return made(error, [&]() -> Tensor {
    auto& t = of(tensor);
    auto* batched = at::functorch::maybeGetBatchedImpl(t);
    if (batched && batched->level() == level) return batched->value().movedim(batched->bdim(), 0);
    auto sizes = t.sizes().vec();
    sizes.insert(sizes.begin(), size);
    return t.unsqueeze(0).expand(sizes);
  });
}

int64_t jem_gradient_enter(char** error) {
  using namespace at::functorch;
  return entered(error, [&] {
    auto level = initAndPushDynamicLayer(TransformType::Grad, std::nullopt, std::nullopt,
                                         at::GradMode::is_enabled());
    at::GradMode::set_enabled(true);
    return level;
  });
}
void jem_gradient_leave(void) {
  left([] {
    auto layer = at::functorch::popDynamicLayerAndDeleteMetadata();
    auto& meta = std::get<at::functorch::GradInterpreterMeta>(layer.interpreter().meta());
    at::GradMode::set_enabled(meta.prevGradMode_);
  });
}
void* jem_gradient_wrap(void* tensor, int64_t level, char** error) {
  return made(error, [&] {
    auto wrapped = at::functorch::makeTensorWrapper(of(tensor), level);
    bool before = at::functorch::getInplaceRequiresGradAllowed();
    at::functorch::setInplaceRequiresGradAllowed(true);
    wrapped.requires_grad_();
    at::functorch::setInplaceRequiresGradAllowed(before);
    return wrapped;
  });
}
void* jem_gradient_unwrap(void* tensor, int64_t level, char** error) {
  return made(error, [&]() -> Tensor {
    auto& t = of(tensor);
    auto* wrapper = at::functorch::maybeGetTensorWrapper(t);
    bool ours = wrapper && wrapper->level() && *wrapper->level() == level;
    return ours ? wrapper->value() : t;
  });
}
}
