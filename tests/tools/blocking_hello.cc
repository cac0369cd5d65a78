// blocking_hello: the ordinary libfcgi program, one request at a time in FCGX_Accept_r. The peer of `make bench`.
//
//   blocking_hello                             serves the listening socket on fd 0, one process
//   blocking_hello --socket PATH --processes N  opens PATH and forks N processes that share it; ends with SIGTERM
//
// It uses libfcgi as its manual shows and nothing of Plugfleet.
#include <fcgiapp.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>
#include <vector>

namespace {

int serve(int listening) {
  FCGX_Request request;
  FCGX_InitRequest(&request, listening, 0);
  while (FCGX_Accept_r(&request) == 0) {
    FCGX_PutS("Content-Type: application/json\r\n\r\n{\"status\":\"ok\"}", request.out);
    FCGX_Finish_r(&request);
  }
  return 0;
}

// Forks `count` servers, and waits until SIGTERM or SIGINT; they die with this process.
int serve_forked(int listening, int count) {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  sigprocmask(SIG_BLOCK, &stop, nullptr);
  std::vector<pid_t> children;
  for (int i = 0; i < count; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      sigprocmask(SIG_UNBLOCK, &stop, nullptr);
      _exit(serve(listening));
    }
    if (child > 0) children.push_back(child);
  }
  int signal = 0;
  sigwait(&stop, &signal);
  for (const pid_t child : children) kill(child, SIGKILL);
  for (const pid_t child : children) waitpid(child, nullptr, 0);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  FCGX_Init();
  if (argc == 1) return serve(0);
  if (argc != 5 || std::string_view(argv[1]) != "--socket" || std::string_view(argv[3]) != "--processes") {
    fmt::print(stderr, "usage: blocking_hello [--socket PATH --processes N]\n");
    return 2;
  }
  const int listening = FCGX_OpenSocket(argv[2], 4096);
  if (listening < 0) {
    fmt::print(stderr, "blocking_hello: cannot listen on {}\n", argv[2]);
    return 1;
  }
  return serve_forked(listening, std::atoi(argv[4]));
}
