// No exception leaves C++: what fails becomes a message of one line.
#pragma once

#include <c10/util/Exception.h>

#include <cstdlib>
#include <cstring>
#include <string>

namespace jem {

inline char* copy_text(const std::string& text) {
  auto* made = static_cast<char*>(malloc(text.size() + 1));
  if (made) memcpy(made, text.c_str(), text.size() + 1);
  return made;
}

inline char* first_line(const std::string& text) { return copy_text(text.substr(0, text.find('\n'))); }

// Whether the work was done; if not, `error` says why.
template <class Work>
bool guarded(char** error, Work work) {
  try {
    work();
    return true;
  } catch (const c10::Error& e) {
    *error = first_line(e.what_without_backtrace());  // the backtrace would cost milliseconds
  } catch (const std::bad_alloc&) {
    *error = copy_text("out of memory");
  } catch (const std::exception& e) {
    *error = first_line(e.what());
  } catch (...) {
    *error = copy_text("an unknown C++ exception");
  }
  return false;
}

}  // namespace jem
