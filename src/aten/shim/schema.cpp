#include "schema.h"

#include <ATen/core/enum_tag.h>
#include <ATen/core/function_schema.h>

#include <algorithm>
#include <sstream>

#include "guard.h"
#include "rule.h"
#include "shim.h"

namespace jem {
namespace {

Wants wants(const c10::TypePtr& type) {
  using K = c10::TypeKind;
  switch (type->kind()) {
    case K::TensorType: return Wants::Tensor;
    case K::IntType: case K::SymIntType: return Wants::Int;
    case K::FloatType: case K::SymFloatType: return Wants::Float;
    case K::BoolType: case K::SymBoolType: return Wants::Bool;
    case K::NumberType: return Wants::Number;
    case K::StringType: return Wants::Text;
    case K::ScalarTypeType: return Wants::Dtype;
    case K::LayoutType: return Wants::Layout;
    case K::MemoryFormatType: return Wants::MemoryFormat;
    case K::DeviceObjType: return Wants::Device;
    case K::ListType: {
      auto inner = type->castRaw<c10::ListType>()->getElementType();
      if (inner->kind() == K::OptionalType) {
        auto of = inner->castRaw<c10::OptionalType>()->getElementType();
        return of->kind() == K::TensorType ? Wants::MaybeTensors : Wants::Other;
      }
      switch (wants(inner)) {
        case Wants::Tensor: return Wants::Tensors;
        case Wants::Int: return Wants::Ints;
        case Wants::Float: return Wants::Floats;
        case Wants::Bool: return Wants::Bools;
        case Wants::Number: return Wants::Numbers;
        default: return Wants::Other;
      }
    }
    default: return Wants::Other;
  }
}

bool can_be_given_back(const c10::TypePtr& type) {
  using K = c10::TypeKind;
  switch (type->kind()) {
    case K::TensorType: case K::IntType: case K::SymIntType: case K::FloatType: case K::SymFloatType:
    case K::BoolType: case K::SymBoolType: case K::NumberType: case K::StringType:
    case K::DeviceObjType:
      return true;
    case K::ListType: return can_be_given_back(type->castRaw<c10::ListType>()->getElementType());
    case K::OptionalType: return can_be_given_back(type->castRaw<c10::OptionalType>()->getElementType());
    default: return false;
  }
}

bool runs_on_cpu(const c10::OperatorHandle& handle) {
  using D = c10::DispatchKey;
  for (auto key : {D::CPU, D::CompositeImplicitAutograd, D::CompositeExplicitAutograd,
                   D::CompositeExplicitAutogradNonFunctional})
    if (handle.hasKernelForDispatchKey(key)) return true;
  return handle.hasComputedKernelForDispatchKey(D::CPU);
}

Argument argument(const c10::Argument& from) {
  Argument made;
  made.name = from.name();
  auto type = from.real_type();
  made.type = type->str();
  if (type->kind() == c10::TypeKind::OptionalType) {
    made.optional = true;
    type = type->castRaw<c10::OptionalType>()->getElementType();
  }
  made.wants = wants(type);
  made.by_name = from.kwarg_only();
  made.spread = from.N().value_or(0);
  if (from.default_value()) {
    made.has_default = true;
    made.fallback = *from.default_value();
  }
  return made;
}

// Whether a form computes something from arguments that scripts can give, and changes none.
bool allowed(const c10::FunctionSchema& schema, const std::vector<Argument>& arguments) {
  if (schema.is_mutable() || schema.is_vararg() || schema.is_varret() || schema.returns().empty())
    return false;
  for (auto& a : arguments)
    if (a.wants == Wants::Other && !(a.optional && a.has_default)) return false;
  for (auto& r : schema.returns())
    if (!can_be_given_back(r.type())) return false;
  return true;
}

std::map<std::string, jem_operator> read() {
  static auto* forms = new std::deque<Form>;  // outlives the end of the program, as libtorch does
  std::map<std::string, jem_operator> by_name;
  auto& dispatcher = c10::Dispatcher::singleton();
  for (auto& known : dispatcher.getAllOpNames()) {
    if (!starts_with(known.name, "aten::")) continue;
    auto name = known.name.substr(6);
    if (!allowed_by_name(name)) continue;
    auto handle = dispatcher.findSchema(known);
    if (!handle || !runs_on_cpu(*handle)) continue;
    auto& schema = handle->schema();
    std::vector<Argument> arguments;
    for (auto& a : schema.arguments()) arguments.push_back(argument(a));
    if (!allowed(schema, arguments)) continue;
    Form form{*handle, known.overload_name.empty() ? name : name + "." + known.overload_name,
              std::move(arguments), {}};
    for (auto& r : schema.returns()) form.results.push_back(r.name());
    forms->push_back(std::move(form));
    by_name[name].forms.push_back(&forms->back());
  }
  for (auto& alias : kAliases) {
    auto found = by_name.find(alias.inner);
    if (found != by_name.end()) by_name[alias.name].forms = found->second.forms;
  }
  // What is known by its alias alone.
  for (auto it = by_name.begin(); it != by_name.end();)
    it = it->first[0] == '_' ? by_name.erase(it) : std::next(it);
  for (auto& [name, op] : by_name) {
    op.name = name;
    std::sort(op.forms.begin(), op.forms.end(),
              [](auto* a, auto* b) { return a->label < b->label; });
  }
  return by_name;
}

}  // namespace

const std::map<std::string, jem_operator>& operators() {
  static auto* all = new std::map<std::string, jem_operator>(read());
  return *all;
}

const at::ScalarType* find_dtype(const std::string& name) {
  static const auto* known = new std::map<std::string, at::ScalarType>{
      {"float32", at::kFloat},      {"float64", at::kDouble},  {"float16", at::kHalf},
      {"bfloat16", at::kBFloat16},  {"int64", at::kLong},      {"int32", at::kInt},
      {"int16", at::kShort},        {"int8", at::kChar},       {"uint8", at::kByte},
      {"bool", at::kBool},          {"complex64", at::kComplexFloat},
      {"complex128", at::kComplexDouble},
  };
  auto found = known->find(name);
  return found == known->end() ? nullptr : &found->second;
}

}  // namespace jem

extern "C" {

const char* jem_names(void) {
  static const auto* text = [] {
    std::ostringstream lines;
    for (auto& [name, op] : jem::operators()) {
      size_t most = 0;
      bool random = false;
      for (auto* form : op.forms) {
        most = std::max(most, form->arguments.size());
        random = random || form->handle.hasTag(at::Tag::nondeterministic_seeded);
      }
      lines << name << ' ' << most << ' ' << random << '\n';
    }
    return new std::string(lines.str());
  }();
  return text->c_str();
}

const jem_operator* jem_find(const char* name) {
  auto& all = jem::operators();
  auto found = all.find(name);
  return found == all.end() ? nullptr : &found->second;
}

char* jem_forms(const jem_operator* op) {
  std::ostringstream lines;
  for (auto* form : op->forms) {
    lines << form->label;
    for (auto& a : form->arguments) {
      lines << '\t' << a.name << ':' << a.type << (a.spread ? std::to_string(a.spread) : "") << ':';
      if (a.has_default) lines << a.fallback;
      lines << ':' << (a.by_name ? "keyword" : a.has_default ? "default" : "");
    }
    lines << "\t->";
    for (auto& r : form->handle.schema().returns())
      lines << '\t' << r.name() << ':' << r.type()->str();
    lines << '\n';
  }
  return jem::copy_text(lines.str());
}

void jem_free_text(char* text) { free(text); }
}
