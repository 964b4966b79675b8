// What libtorch's dispatcher says of its operators, read once.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>

#include <deque>
#include <map>
#include <string>
#include <vector>

namespace jem {

// What an argument wants.
enum class Wants : uint8_t {
  Tensor, Tensors, MaybeTensors, Int, Ints, Float, Floats, Bool, Bools, Number, Numbers, Text,
  Dtype, Layout, MemoryFormat, Device, Other,
};

struct Argument {
  std::string name;
  std::string type;  // as libtorch writes it
  Wants wants = Wants::Other;
  bool optional = false;     // takes nothing, `()`
  bool by_name = false;      // cannot be given by its place
  bool has_default = false;
  c10::IValue fallback;
  int32_t spread = 0;        // int[2]: a single number stands for so many
};

struct Form {
  c10::OperatorHandle handle;
  std::string label;  // topk, sum.dim_IntList
  std::vector<Argument> arguments;
  std::vector<std::string> results;  // names, empty where there is none
};

}  // namespace jem

// All forms of one name, in an order that does not depend on the dispatcher's hash.
struct jem_operator {
  std::string name;
  std::vector<const jem::Form*> forms;
};

namespace jem {

// By name.
const std::map<std::string, jem_operator>& operators();

// Element types by PyTorch's names; null for another text.
const at::ScalarType* find_dtype(const std::string& name);

}  // namespace jem
