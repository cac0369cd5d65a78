// A bound on how many do something at once. Those over it wait in line, first come first served.
#pragma once

#include <list>

#include "io/reactor.h"

namespace plugfleet {

class Gate {
 public:
  // Held while inside; the destructor lets the next one in.
  class Pass {
   public:
    explicit Pass(Gate& gate) : gate_(&gate) {}
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Pass& operator=(Pass&&) = delete;
    ~Pass() {
      if (gate_) gate_->leave();
    }

   private:
    Gate* gate_;
  };

  explicit Gate(std::size_t max) : max_(max) {}
  Gate(const Gate&) = delete;

  Async<Pass> enter();

  std::size_t inside() const { return inside_; }
  bool has_room() const { return inside_ < max_; }  // enter() would not wait
  std::size_t waiting() const { return line_.size(); }

 private:
  void leave();

  std::size_t max_;
  std::size_t inside_ = 0;
  std::list<Waiter*> line_;
};

}  // namespace plugfleet
