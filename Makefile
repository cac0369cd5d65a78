# Plugfleet. `make` alone prints every verb. Paths are relative, so that a checkout may live anywhere.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += --jobs=$(shell nproc)
endif
comma := ,

CXX := clang++-19
SAN ?=
B := build/$(or $(SAN),release)

ifneq ($(filter g++%,$(notdir $(CXX))),)
ifneq ($(shell [ "$$($(CXX) -dumpversion | cut -d. -f1)" -ge 13 ] && echo new),new)
$(error g++ before 13 miscompiles coroutines; use clang++-19 or g++ 13)
endif
endif

# ---- Building ----------------------------------------------------------------------------------------------------
# What is linked takes its name when it is whole: a fleet that runs keeps the file it has.
# fcgi-app/ but main/ is one shared library; each program is one file of main/ over it; a module is a .so over it.

sanitize := $(if $(SAN),-fsanitize=$(SAN)$(if $(filter address,$(SAN)),$(comma)undefined))
CXXFLAGS := -std=c++23 -g -fPIC -pthread $(if $(SAN),-O1 -fno-omit-frame-pointer $(sanitize),-O2 -D_FORTIFY_SOURCE=2) \
  -fno-semantic-interposition -fstack-protector-strong -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Werror -Wno-missing-designated-field-initializers \
  -Ifcgi-app -Ifcgi-app/sdk \
  -isystem /usr/include/postgresql
LDFLAGS := -fuse-ld=lld -pthread -Wl,-z,relro,-z,now \
  $(if $(SAN),$(sanitize) -shared-libsan -Wl$(comma)-rpath$(comma)$(dir $(shell $(CXX) -print-file-name=libclang_rt.asan-x86_64.so 2>/dev/null)))
LIBS := -lfmt -ljansson -lsimdjson -lcrypto -lpq -lhiredis -lcurl -lpng16 -ljpeg -lwebp -lwebpdemux -lz

floors := base wire io core host
# The sources below a folder, however deep.
sources_below = $(sort $(shell find -L $(1) -name '*.cc'))
lib_sources := $(call sources_below,$(floors:%=fcgi-app/%))
programs := $(patsubst fcgi-app/main/%.cc,$(B)/bin/plugfleet-%,$(wildcard fcgi-app/main/*.cc))
module_names := $(notdir $(patsubst %/,%,$(wildcard modules/*/)))
modules := $(module_names:%=$(B)/modules/%.so)
test_sources := $(filter %_test.cc,$(call sources_below,tests))
tests := $(test_sources:%.cc=$(B)/%)
tools := $(patsubst %.cc,$(B)/%,$(wildcard tests/tools/*.cc))
library := $(B)/lib/libplugfleet.so
preloaded := $(B)/lib/nginx-user-timeout.so
object = $(patsubst %.cc,$(B)/%.o,$(1))

build: $(library) $(programs) $(modules) $(preloaded) ## Build the programs and modules
	@:

ifneq ($(filter clang%,$(notdir $(CXX))),)
precompiled := $(B)/fcgi-app/precompiled.pch
$(precompiled): fcgi-app/precompiled.h
	@mkdir -p $(@D)
	@echo "  compile $<"
	@$(CXX) $(CXXFLAGS) -fpch-instantiate-templates -MD -MP -x c++-header $< -o $@
include_precompiled := -include-pch $(precompiled)
endif

$(B)/%.o: %.cc $(precompiled)
	@mkdir -p $(@D)
	@echo "  compile $<"
	@$(CXX) $(CXXFLAGS) $(include_precompiled) $(extra_flags) -MMD -MP -c $< -o $@

# simdjson's on-demand parser picks its vector code when it is compiled; any x86 server since 2010 has this one.
ifeq ($(shell uname -m),x86_64)
$(B)/fcgi-app/wire/json_view.o: extra_flags := -march=westmere
$(B)/fcgi-app/wire/json_view.o: include_precompiled :=
endif

$(B)/modules/%.o: extra_flags := -Imodules
$(B)/tests/%.o: extra_flags := -Itests -Imodules

$(library): $(call object,$(lib_sources))
	@mkdir -p $(@D)
	@echo "  link    $@"
	@$(CXX) $(LDFLAGS) -shared $(if $(SAN),,-Wl$(comma)-z$(comma)defs) -Wl,-Bsymbolic-functions -Wl,-soname,libplugfleet.so $^ $(LIBS) -o $@.new
	@mv $@.new $@

# nginx loads it, and nothing of ours with it.
$(preloaded): fcgi-app/nginx/user_timeout.cc
	@mkdir -p $(@D)
	@echo "  link    $@"
	@$(CXX) $(filter-out $(sanitize),$(CXXFLAGS)) -fuse-ld=lld -shared -nostdlib++ $< -o $@.new
	@mv $@.new $@

$(B)/bin/plugfleet-%: $(B)/fcgi-app/main/%.o $(library)
	@mkdir -p $(@D)
	@echo "  link    $@"
	@$(CXX) $(LDFLAGS) $< -L$(B)/lib -lplugfleet -lfmt '-Wl,-rpath,$$ORIGIN/../lib' -o $@.new
	@mv $@.new $@

# The libraries of its own that a module is linked with: lines "-lNAME PACKAGE" of its file `libs`.
libs_of = $(shell awk '/^-l/ {print $$1}' $(1)/libs 2>/dev/null)

# $(call module_rule,LIBRARY,FOLDER OF ITS SOURCES)
define module_rule
$(1): $(call object,$(call sources_below,$(2))) $(library)
	@mkdir -p $$(@D)
	@echo "  link    $$@"
	@$$(CXX) $$(LDFLAGS) -shared $(if $(SAN),,-Wl$(comma)-z$(comma)defs) $$(filter %.o,$$^) -L$(B)/lib -lplugfleet -lfmt $(call libs_of,$(2)) '-Wl,-rpath,$$$$ORIGIN/../lib' -o $$@.new
	@mv $$@.new $$@
endef
$(foreach module,$(module_names),$(eval $(call module_rule,$(B)/modules/$(module).so,modules/$(module))))
# A module for tests alone: tests/support/servers.py has their fleets load it.
probe := $(B)/tests/modules/probe.so
$(eval $(call module_rule,$(probe),tests/probe))

# A test is one file and one program. tests/modules/NAME/X_test.cc also links that module's objects.
test_support := $(call object,$(wildcard tests/support/*.cc))
module_objects = $(call object,$(call sources_below,modules/$(firstword $(subst /, ,$(1)))))
link_test = $(CXX) $(LDFLAGS) $(filter %.o,$^) -L$(B)/lib '-Wl,-rpath,$(CURDIR)/$(B)/lib' \
  -lplugfleet -lcmocka -Wl,--as-needed $(LIBS) $(test_libs) -o $@

.SECONDEXPANSION:
.SECONDARY:
$(B)/tests/modules/%_test: test_libs = $(call libs_of,modules/$(firstword $(subst /, ,$*)))
$(B)/tests/modules/%_test: $(B)/tests/modules/%_test.o $(test_support) $(library) $$(call module_objects,$$*)
	@echo "  link    $@"
	@$(link_test)
$(B)/tests/%_test: $(B)/tests/%_test.o $(test_support) $(library)
	@echo "  link    $@"
	@$(link_test)

# Stand-alone programs the tests and benchmarks use: a fake provider, the peers measured against.
asio_flags := -DASIO_STANDALONE -DASIO_HAS_CO_AWAIT -DASIO_HAS_STD_COROUTINE -DASIO_NO_DEPRECATED -DASIO_HAS_STD_ALIGNED_ALLOC=1
$(B)/tests/tools/%: tests/tools/%.cc
	@mkdir -p $(@D)
	@echo "  tool    $@"
	@$(CXX) $(CXXFLAGS) $(asio_flags) -MMD -MP -MF $@.d -MT $@ $< $(LDFLAGS) -lfmt -ljansson -lfcgi -o $@

-include $(shell find $(B) -name '*.d' 2>/dev/null)

# ---- Running -----------------------------------------------------------------------------------------------------

packages:
	@scripts/dev/install-packages

run: packages ## Install what is missing, build, start the fleet, rename the layers of a sample frame
	@$(MAKE) --no-print-directory build
	@BUILD=$(B) scripts/dev/docs-page || true
	@BUILD=$(B) scripts/dev/web-shell >/dev/null || true
	@BUILD=$(B) scripts/fleet start
	@BUILD=$(B) scripts/dev/plugin || true
	@BUILD=$(B) scripts/demo

plugin: packages ## Build the Figma plugin into build/plugin/figma (SERVER=https://... for one to be published)
	@$(MAKE) --no-print-directory build
	@BUILD=$(B) SERVER=$(SERVER) scripts/dev/plugin
	@echo "Figma desktop: Plugins > Development > Import plugin from manifest > build/plugin/figma/manifest.json"

stop: ## Stop the fleet that `make run` started
	@BUILD=$(B) scripts/fleet stop

status: ## Every process of the fleet on one screen
	@scripts/plugfleet status || true

# ---- Proving -----------------------------------------------------------------------------------------------------

test: packages ## Run every test, on a private fleet (SAN=address or SAN=thread for the sanitizers)
	@$(MAKE) --no-print-directory build $(tests) $(tools) $(probe)
	@BUILD=$(B) scripts/dev/run-tests $(test_sources:%.cc=$(B)/%)

t: ## Run the tests of one file, with what they need: make t F=fcgi-app/core/auth.cc [T=name]
	+@BUILD=$(B) scripts/dev/run-one "$(F)" "$(T)"

check: packages ## Formatting, floors, clang-tidy, shellcheck, settings against their manual
	@$(MAKE) --no-print-directory build
	@BUILD=$(B) scripts/dev/check

bench: packages ## Measure against peers in the same run; prints ratios and never fails on time
	@$(MAKE) --no-print-directory build $(tools) $(probe)
	@BUILD=$(B) scripts/dev/bench

deb: packages ## Pack the Debian package build/plugfleet_VERSION_amd64.deb
	@$(MAKE) --no-print-directory build
	@BUILD=$(B) scripts/dev/make-deb

rehearsal: deb ## Install it on a Debian with systemd in a container, kill parts of it, reboot, remove it (root)
	@tests/rehearsal/run

print-flags:
	@printf '%s\n' $(CXXFLAGS)

format: ## Lay out every C++ file as .clang-format says
	@git ls-files -co --exclude-standard '*.cc' '*.h' | tr '\n' '\0' | xargs -0r clang-format-19 -i

clean: ## Remove what was built
	@rm -rf build

help:
	@echo 'Plugfleet: AI plugin backends on one server.  make VERB'
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  %-9s %s\n", $$1, $$2}' Makefile

.PHONY: build packages print-flags run plugin stop status test t check bench deb rehearsal format clean help
