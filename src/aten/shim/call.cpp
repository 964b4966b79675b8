// Calls an operator with values of a script: chooses its form, converts, runs it boxed.

#include <ATen/Context.h>
#include <ATen/core/enum_type.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/scalar_tensor.h>
#include <c10/core/GradMode.h>

#include <cstdio>
#include <memory>
#include <mutex>
#include <set>

#include "guard.h"
#include "rule.h"
#include "schema.h"
#include "shim.h"

struct jem_results {
  std::vector<jem_value> values;
  const jem::Form* form = nullptr;
  // Deques: what lies in them stays where it is while more is put in.
  std::deque<std::vector<jem_value>> lists;
  std::deque<std::string> texts;
};

namespace jem {
namespace {

using c10::IValue;

std::string text(const jem_value& v) {
  return std::string(static_cast<const char*>(v.pointer), static_cast<size_t>(v.whole));
}
const at::Tensor& tensor(const jem_value& v) { return *static_cast<const at::Tensor*>(v.pointer); }
const jem_value& entry(const jem_value& v, int64_t k) {
  return static_cast<const jem_value*>(v.pointer)[k];
}

const char* name_of(const jem_value& v) {
  switch (v.tag) {
    case JEM_NONE: return "()";
    case JEM_BOOL: return "a bool";
    case JEM_INT: return "a whole number";
    case JEM_FLOAT: return "a float";
    case JEM_TEXT: return "a text";
    case JEM_TENSOR: return "a tensor";
    default: return "an array";
  }
}

// Choosing a form ---------------------------------------------------------------------------------
//
// Each given value has a distance from what the argument wants; the form with the smallest sum is
// called. `matchSchema` of TorchScript would need a graph.

constexpr int kNoFit = -1;
constexpr int kIntToFloat = 1;
constexpr int kNumberToList = 2;     // padding: 1 for [1, 1]
constexpr int kTensorToNumber = 20;
constexpr int kNumberToTensor = 100;

// A tensor of no dimensions stands for a number, unless a gradient would get lost.
bool stands_for_number(const jem_value& v, bool whole) {
  if (v.tag != JEM_TENSOR) return false;
  auto& t = tensor(v);
  if (t.dim() != 0 || (t.requires_grad() && c10::GradMode::is_enabled())) return false;
  return !whole || at::isIntegralType(t.scalar_type(), /*includeBool=*/false);
}

int number_distance(Wants wants, const jem_value& v) {
  switch (wants) {
    case Wants::Int:
      return v.tag == JEM_INT ? 0 : stands_for_number(v, true) ? kTensorToNumber : kNoFit;
    case Wants::Float:
      return v.tag == JEM_FLOAT ? 0
             : v.tag == JEM_INT ? kIntToFloat
             : stands_for_number(v, false) ? kTensorToNumber : kNoFit;
    case Wants::Bool: return v.tag == JEM_BOOL ? 0 : kNoFit;
    default:
      return v.tag == JEM_INT || v.tag == JEM_FLOAT || v.tag == JEM_BOOL ? 0
             : stands_for_number(v, false) ? kTensorToNumber : kNoFit;
  }
}

template <class Distance>
int list_distance(const jem_value& v, Distance distance) {
  if (v.tag != JEM_LIST) return kNoFit;
  int worst = 0;
  for (int64_t k = 0; k < v.whole; k++) {
    int d = distance(entry(v, k));
    if (d == kNoFit) return kNoFit;
    worst = std::max(worst, d);
  }
  return worst;
}

int numbers_distance(Wants wants, int32_t spread, const jem_value& v) {
  if (spread && v.tag != JEM_LIST) {
    int d = number_distance(wants, v);
    return d == kNoFit ? kNoFit : d + kNumberToList;
  }
  return list_distance(v, [&](auto& e) { return number_distance(wants, e); });
}

// "mean", "sum" and "none" for libtorch's numbers of them.
int reduction(const std::string& word) {
  return word == "none" ? 0 : word == "mean" ? 1 : word == "sum" ? 2 : -1;
}

int distance(const Argument& a, const jem_value& v) {
  if (v.tag == JEM_NONE) return a.optional ? 0 : kNoFit;
  auto fits = [](bool fits) { return fits ? 0 : kNoFit; };
  switch (a.wants) {
    case Wants::Tensor:
      return v.tag == JEM_TENSOR ? 0
             : v.tag == JEM_INT || v.tag == JEM_FLOAT || v.tag == JEM_BOOL ? kNumberToTensor : kNoFit;
    case Wants::Tensors: return list_distance(v, [&](auto& e) { return fits(e.tag == JEM_TENSOR); });
    case Wants::MaybeTensors:
      return list_distance(v, [&](auto& e) { return fits(e.tag == JEM_TENSOR || e.tag == JEM_NONE); });
    case Wants::Int:
      if (a.name == "reduction" && v.tag == JEM_TEXT) return fits(reduction(text(v)) >= 0);
      return number_distance(a.wants, v);
    case Wants::Float: case Wants::Bool: case Wants::Number: return number_distance(a.wants, v);
    case Wants::Ints: return numbers_distance(Wants::Int, a.spread, v);
    case Wants::Floats: return numbers_distance(Wants::Float, a.spread, v);
    case Wants::Bools: return numbers_distance(Wants::Bool, a.spread, v);
    case Wants::Numbers: return list_distance(v, [&](auto& e) { return number_distance(Wants::Number, e); });
    case Wants::Text: return fits(v.tag == JEM_TEXT);
    case Wants::Dtype: return fits(v.tag == JEM_TEXT && find_dtype(text(v)));
    case Wants::Layout: return fits(v.tag == JEM_TEXT && text(v) == "strided");
    case Wants::MemoryFormat: return fits(v.tag == JEM_TEXT);
    case Wants::Device: return fits(v.tag == JEM_TEXT && (text(v) == "cpu" || starts_with(text(v), "cuda")));
    default: return kNoFit;
  }
}

// One call: what was given, and for each argument of the form the value for it, or null.
struct Call {
  const jem_value* arguments;
  size_t count;
  const char* const* names;
  const jem_value* named;
  size_t named_count;

  using Slots = c10::SmallVector<const jem_value*, 16>;

  // The distance of the form, or kNoFit and why.
  int bind(const Form& form, Slots& slots, std::string& why) const {
    auto& wanted = form.arguments;
    slots.assign(wanted.size(), nullptr);
    size_t by_place = 0;
    while (by_place < wanted.size() && !wanted[by_place].by_name) by_place++;
    if (count > by_place) {
      why = "takes " + std::to_string(by_place) + " arguments, got " + std::to_string(count);
      return kNoFit;
    }
    for (size_t k = 0; k < count; k++) slots[k] = &arguments[k];
    for (size_t k = 0; k < named_count; k++) {
      size_t at = place(wanted, names[k]);
      if (at == wanted.size()) {
        why = std::string("has no `") + names[k] + "`";
        return kNoFit;
      }
      if (slots[at]) {
        why = std::string("got `") + names[k] + "` twice";
        return kNoFit;
      }
      slots[at] = &named[k];
    }
    int sum = 0;
    for (size_t k = 0; k < wanted.size(); k++) {
      if (!slots[k]) {
        if (wanted[k].has_default) continue;
        why = "lacks `" + wanted[k].name + "`";
        return kNoFit;
      }
      int d = distance(wanted[k], *slots[k]);
      if (d == kNoFit) {
        why = "`" + wanted[k].name + "` cannot be " + name_of(*slots[k]);
        if (slots[k]->tag == JEM_TEXT) why += " \"" + text(*slots[k]) + "\"";
        return kNoFit;
      }
      sum += d;
    }
    return sum;
  }

  // PyTorch's functions call the first tensor `input`, the schemas `self`.
  static size_t place(const std::vector<Argument>& wanted, const std::string& name) {
    for (size_t k = 0; k < wanted.size(); k++)
      if (wanted[k].name == name || (name == "input" && wanted[k].name == "self")) return k;
    return wanted.size();
  }

  const Form& choose(const jem_operator& op, Slots& chosen) const {
    const Form* best = nullptr;
    int least = INT32_MAX;
    Slots slots;
    std::string reasons;
    for (auto* form : op.forms) {
      std::string why;
      int d = bind(*form, slots, why);
      if (d == kNoFit) {
        reasons += (reasons.empty() ? "" : "; ") + (op.forms.size() > 1 ? form->label + " " : "") + why;
      } else if (d < least) {
        best = form;
        least = d;
        std::swap(chosen, slots);
      }
    }
    if (!best) throw std::invalid_argument(reasons);
    return *best;
  }
};

// Guards: what libtorch itself does not look at ---------------------------------------------------

void check_whole(const Argument& a, const jem_value& v) {
  if (v.tag == JEM_LIST) {
    for (int64_t k = 0; k < v.whole; k++) check_whole(a, entry(v, k));
    return;
  }
  bool whole = a.wants == Wants::Int || a.wants == Wants::Ints || a.name == "n";
  if (v.tag != JEM_INT || !whole || is_free_number(a.name)) return;
  int64_t most = is_count_of_steps(a.name) ? kMostSteps : INT32_MAX;
  TORCH_CHECK(v.whole <= most && v.whole >= -most, "`", a.name, "` may be ", most, " at most, got ",
              v.whole);
}

bool given(const Form& form, const Call::Slots& slots, const char* name) {
  for (size_t k = 0; k < slots.size(); k++)
    if (form.arguments[k].name == name)
      return slots[k] && slots[k]->tag != JEM_NONE && !(slots[k]->tag == JEM_BOOL && !slots[k]->whole);
  return false;
}

void check(const Form& form, const Call::Slots& slots) {
  // Their running statistics would change in place, which no schema says.
  bool norm = starts_with(form.label, "batch_norm") || starts_with(form.label, "instance_norm");
  bool of_batch = given(form, slots, "training") || given(form, slots, "use_input_stats");
  TORCH_CHECK(!(norm && of_batch && given(form, slots, "running_mean")),
              "running statistics would be changed in place: give () for them, or use nn::batch_norm2d");
  for (size_t k = 0; k < slots.size(); k++) {
    if (!slots[k]) continue;
    check_whole(form.arguments[k], *slots[k]);
    // The libraries behind write to standard output, or hang, where a matrix is not finite.
    if (starts_with(form.label, "linalg_") && slots[k]->tag == JEM_TENSOR) {
      auto& t = tensor(*slots[k]);
      bool floats = at::isFloatingType(t.scalar_type()) || at::isComplexType(t.scalar_type());
      TORCH_CHECK(!floats || t.numel() == 0 || at::isfinite(t).all().item<bool>(), "`",
                  form.arguments[k].name, "` holds a value that is not finite");
    }
  }
}

// Conversion --------------------------------------------------------------------------------------

int64_t as_int(const jem_value& v) {
  return v.tag == JEM_TENSOR ? tensor(v).item<int64_t>() : v.whole;
}
double as_float(const jem_value& v) {
  return v.tag == JEM_TENSOR ? tensor(v).item<double>()
         : v.tag == JEM_INT ? static_cast<double>(v.whole) : v.number;
}
at::Scalar as_number(const jem_value& v) {
  switch (v.tag) {
    case JEM_BOOL: return at::Scalar(v.whole != 0);
    case JEM_INT: return at::Scalar(v.whole);
    case JEM_TENSOR: return tensor(v).item();
    default: return at::Scalar(v.number);
  }
}

template <class Entry>
std::vector<Entry> spread_or_list(const Argument& a, const jem_value& v, Entry (*one)(const jem_value&)) {
  if (v.tag != JEM_LIST) return std::vector<Entry>(static_cast<size_t>(a.spread), one(v));
  std::vector<Entry> list;
  for (int64_t k = 0; k < v.whole; k++) list.push_back(one(entry(v, k)));
  return list;
}

IValue convert(const Argument& a, const jem_value& v) {
  if (v.tag == JEM_NONE) return IValue();
  switch (a.wants) {
    case Wants::Tensor: {
      if (v.tag == JEM_TENSOR) return IValue(tensor(v));
      auto made = at::scalar_tensor(as_number(v), v.tag == JEM_INT    ? at::kLong
                                                  : v.tag == JEM_BOOL ? at::kBool : at::kDouble);
      // As in Python, a number gives way to the tensors' type: float32 stays float32.
      made.unsafeGetTensorImpl()->set_wrapped_number(v.tag != JEM_BOOL);
      return IValue(made);
    }
    case Wants::Int:
      return IValue(v.tag == JEM_TEXT ? static_cast<int64_t>(reduction(text(v))) : as_int(v));
    case Wants::Float: return IValue(as_float(v));
    case Wants::Bool: return IValue(v.whole != 0);
    case Wants::Number: return IValue(as_number(v));
    case Wants::Ints: return IValue(spread_or_list(a, v, as_int));
    case Wants::Floats: return IValue(spread_or_list(a, v, as_float));
    case Wants::Bools: {
      // Kernels read as many as the schema says.
      TORCH_CHECK(v.tag != JEM_LIST || !a.spread || v.whole == a.spread, "`", a.name, "` takes ",
                  a.spread, " entries, got ", v.whole);
      c10::List<bool> list;
      if (v.tag != JEM_LIST)
        for (int32_t k = 0; k < a.spread; k++) list.push_back(v.whole != 0);
      else
        for (int64_t k = 0; k < v.whole; k++) list.push_back(entry(v, k).whole != 0);
      return IValue(std::move(list));
    }
    case Wants::Numbers: {
      c10::impl::GenericList list(c10::NumberType::get());
      for (int64_t k = 0; k < v.whole; k++) list.push_back(IValue(as_number(entry(v, k))));
      return IValue(std::move(list));
    }
    case Wants::Tensors: {
      c10::List<at::Tensor> list;
      for (int64_t k = 0; k < v.whole; k++) list.push_back(tensor(entry(v, k)));
      return IValue(std::move(list));
    }
    case Wants::MaybeTensors: {
      c10::List<std::optional<at::Tensor>> list;
      for (int64_t k = 0; k < v.whole; k++) {
        auto& e = entry(v, k);
        list.push_back(e.tag == JEM_NONE ? std::nullopt : std::optional<at::Tensor>(tensor(e)));
      }
      return IValue(std::move(list));
    }
    case Wants::Text: return IValue(text(v));
    case Wants::Dtype: return IValue(static_cast<int64_t>(*find_dtype(text(v))));
    case Wants::Layout: return IValue(static_cast<int64_t>(at::kStrided));
    case Wants::Device: return IValue(c10::Device(text(v)));
    case Wants::MemoryFormat: {
      auto word = text(v);
      auto format = word == "channels_last"     ? at::MemoryFormat::ChannelsLast
                    : word == "preserve_format" ? at::MemoryFormat::Preserve
                                                : at::MemoryFormat::Contiguous;
      return IValue(static_cast<int64_t>(format));
    }
    default: TORCH_CHECK(false, "`", a.name, "` has a type that a script cannot give");
  }
}

// Results -----------------------------------------------------------------------------------------

jem_value give(const IValue& v, jem_results& into) {
  jem_value out{};
  auto list = [&](auto&& entries) {
    into.lists.emplace_back();
    auto& made = into.lists.back();
    for (const auto& e : entries) {
      auto one = give(IValue(e), into);
      made.push_back(one);
    }
    out.tag = JEM_LIST;
    out.whole = static_cast<int64_t>(made.size());
    out.pointer = made.data();
  };
  auto word = [&](std::string word) {
    into.texts.push_back(std::move(word));
    out.tag = JEM_TEXT;
    out.whole = static_cast<int64_t>(into.texts.back().size());
    out.pointer = into.texts.back().data();
  };
  if (v.isTensor()) {
    if (!v.toTensor().defined()) return out;
    out.tag = JEM_TENSOR;
    out.pointer = new at::Tensor(v.toTensor());
  } else if (v.isBool()) {
    out.tag = JEM_BOOL;
    out.whole = v.toBool();
  } else if (v.isInt()) {
    out.tag = JEM_INT;
    out.whole = v.toInt();
  } else if (v.isSymInt()) {
    out.tag = JEM_INT;
    out.whole = v.toSymInt().guard_int(__FILE__, __LINE__);
  } else if (v.isDouble()) {
    out.tag = JEM_FLOAT;
    out.number = v.toDouble();
  } else if (v.isString()) {
    word(v.toStringRef());
  } else if (v.isDevice()) {
    word(v.toDevice().str());
  } else if (v.isTensorList()) {
    list(v.toTensorVector());
  } else if (v.isList()) {
    list(v.toListRef());
  } else {
    TORCH_CHECK(v.isNone(), "gave a ", v.tagKind(), ", which a script cannot hold");
  }
  return out;
}

void drop(const jem_value& v) {
  if (v.tag == JEM_TENSOR) delete static_cast<const at::Tensor*>(v.pointer);
  if (v.tag == JEM_LIST)
    for (int64_t k = 0; k < v.whole; k++) drop(entry(v, k));
}

bool has_tensor(const jem_value& v) {
  if (v.tag == JEM_LIST)
    for (int64_t k = 0; k < v.whole; k++)
      if (has_tensor(entry(v, k))) return true;
  return v.tag == JEM_TENSOR;
}

void run(const Form& form, const Call::Slots& slots, const char* device, jem_results& into) {
  check(form, slots);
  bool makes = true;  // a tensor from nothing: on the device in force
  for (auto* slot : slots) makes = makes && !(slot && has_tensor(*slot));
  torch::jit::Stack stack;
  stack.reserve(slots.size());
  for (size_t k = 0; k < slots.size(); k++) {
    auto& a = form.arguments[k];
    if (slots[k]) stack.push_back(convert(a, *slots[k]));
    else if (makes && a.wants == Wants::Device) stack.push_back(IValue(c10::Device(device)));
    else stack.push_back(a.fallback);
  }
  form.handle.callBoxed(stack);
  into.form = &form;
  try {
    for (auto& v : stack) into.values.push_back(give(v, into));
  } catch (...) {
    for (auto& v : into.values) drop(v);
    throw;
  }
}

struct Warnings : c10::WarningHandler {
  void process(const c10::Warning& warning) override {
    std::lock_guard<std::mutex> guard(lock);
    if (told.insert(warning.msg()).second)
      fprintf(stderr, "warning: libtorch: %s\n", warning.msg().c_str());
  }
  std::mutex lock;
  std::set<std::string> told;
};

}  // namespace
}  // namespace jem

extern "C" {

int jem_call(const jem_operator* op, const jem_value* arguments, size_t count,
             const char* const* names, const jem_value* named, size_t named_count,
             const char* device, jem_results** results, char** error) {
  jem::Call call{arguments, count, names, named, named_count};
  jem::Call::Slots slots;
  const jem::Form* form = nullptr;
  if (!jem::guarded(error, [&] { form = &call.choose(*op, slots); })) return 1;
  auto made = std::make_unique<jem_results>();
  if (!jem::guarded(error, [&] { jem::run(*form, slots, device, *made); })) return 2;
  *results = made.release();
  return 0;
}

size_t jem_results_count(const jem_results* r) { return r->values.size(); }
const jem_value* jem_results_values(const jem_results* r) { return r->values.data(); }
const char* jem_results_name(const jem_results* r, size_t k) {
  return k < r->form->results.size() ? r->form->results[k].c_str() : "";
}
void jem_results_free(jem_results* r) { delete r; }

void jem_set_up(void) {
  at::globalContext().setSDPUseFlash(false);
  at::globalContext().setSDPUseMemEfficient(false);
  static auto* warnings = new jem::Warnings;
  c10::WarningUtils::set_warning_handler(warnings);
}
}
