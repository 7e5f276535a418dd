# gsq: supervised, demand-driven job queue. `make help` lists the targets.

CC       ?= cc
BUILD    ?= build
BIN      ?= bin
prefix   ?= /usr/local
VERSION  := 0.1.0

WARNINGS  = -Wall -Wextra -Wshadow -Wconversion -Wswitch-enum \
            -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wformat=2 -Werror
HARDENING = -fstack-protector-strong -fPIE -D_FORTIFY_SOURCE=2
CFLAGS   ?= -O2 -g
LDFLAGS  += -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -DGSQ_VERSION='"$(VERSION)"' \
             -Icommon -Iqueue -I. $(WARNINGS) $(HARDENING) $(CFLAGS) $(EXTRA_CFLAGS)

# Folder = process = binary = link line. What a program can do, its libraries
# say: only the queue, the supervisor and the worker have an event loop.
sources  = $(filter-out %/main.c,$(wildcard $(addsuffix /*.c,$(1))))
objects  = $(patsubst %.c,$(BUILD)/%.o,$(1))
COMMON   = $(call sources,common/base common/wire common/sys)
QUEUE    = $(call sources,queue queue/core)
SUPERVISOR = $(call sources,supervisor)
WORKER   = $(call sources,worker)
CLIENT   = $(call sources,client)
QCTL     = $(call sources,qctl)

LIBCOMMON = $(BUILD)/libcommon.a
LIBGSQ    = $(BUILD)/libgsq.a
PROGRAMS  = $(BIN)/supervisor $(BIN)/queue $(BIN)/worker $(BIN)/qctl
DAEMON_LIBS = -levent_core -lmsgpackc -lconfuse

all: $(PROGRAMS)

$(BIN)/supervisor: $(call objects,supervisor/main.c $(SUPERVISOR)) $(LIBCOMMON)
$(BIN)/queue:      $(call objects,queue/main.c $(QUEUE)) $(LIBCOMMON)
$(BIN)/worker:     $(call objects,worker/main.c $(WORKER)) $(LIBCOMMON)
$(BIN)/qctl:       $(call objects,qctl/main.c $(QCTL)) $(LIBGSQ) $(LIBCOMMON)

$(BIN)/supervisor $(BIN)/queue $(BIN)/worker: LIBS = $(DAEMON_LIBS)
$(BIN)/qctl: LIBS = -lmsgpackc -ljansson

$(PROGRAMS):
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(LIBCOMMON): $(call objects,$(COMMON))
$(LIBGSQ):    $(call objects,$(CLIENT))
$(LIBCOMMON) $(LIBGSQ):
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# ---- tests: unit tests (Criterion), traces, system tests -------------------
# Objects of the tests are built apart, with the invariants checked after every
# step (GSQ_VERIFY).

VERIFY     = $(BUILD)/verify
UNIT       = common core supervisor worker client qctl
unit_common     = base wire sys
unit_binary     = $(VERIFY)/unit_$(1)
verify_objects  = $(patsubst %.c,$(VERIFY)/%.o,$(1))
under_test_core = $(call sources,queue/core)
under_test_supervisor = $(SUPERVISOR)
under_test_worker     = $(WORKER)
under_test_client     = $(CLIENT)
under_test_qctl       = $(QCTL) $(CLIENT)

define unit_rule
$(call unit_binary,$(1)): $(call verify_objects,$(wildcard $(addprefix \
    tests/unit/,$(addsuffix /*.c,$(or $(unit_$(1)),$(1))))) \
    $(under_test_$(1)) $(COMMON))
UNIT_BINARIES += $(call unit_binary,$(1))
endef
$(foreach unit,$(UNIT),$(eval $(call unit_rule,$(unit))))

TRACE = $(VERIFY)/trace
$(TRACE): $(call verify_objects,tests/trace/runner.c $(under_test_core) $(COMMON))

$(UNIT_BINARIES) $(TRACE):
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS) -ljansson -lcriterion

$(VERIFY)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -DGSQ_VERIFY -MMD -MP -c -o $@ $<

test: deps
	@$(MAKE) --no-print-directory run-tests

run-tests: all $(UNIT_BINARIES) $(TRACE)
	@GSQ_BIN=$(BIN) tests/run --traces $(TRACE) $(UNIT_BINARIES)

# ---- checks: what the build already knows about the shape ------------------

check: test layers circles purity format

layers: all
	@tools/layers $(BUILD)
circles: all
	@tools/circles $(BUILD)
purity: all
	@tools/purity $(BUILD)
format:
	@tools/format

asan: deps
	@$(MAKE) --no-print-directory run-tests BUILD=build/asan BIN=build/asan/bin \
	    CFLAGS='-O1 -g -fno-omit-frame-pointer' HARDENING=-fPIE \
	    EXTRA_CFLAGS='-fsanitize=address,undefined -fno-sanitize-recover=all'

# ---- benchmarks: never part of the tests -----------------------------------

BENCH = $(BUILD)/bench/cycle $(BUILD)/bench/restart
bench: all $(BENCH)
	@tools/deps bench
	@bench/run $(BUILD) $(BIN)
$(BENCH): $(BUILD)/bench/%: $(BUILD)/bench/%.o $(LIBGSQ) $(LIBCOMMON)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS)

# ---- the rest --------------------------------------------------------------

deps:
	@tools/deps build

demo: deps
	@$(MAKE) --no-print-directory all
	@tools/demo $(BIN)

INSTALL = install -D
install: all
	$(INSTALL) -m 755 $(BIN)/supervisor $(DESTDIR)$(prefix)/bin/gsq-supervisor
	$(INSTALL) -m 755 $(BIN)/qctl $(DESTDIR)$(prefix)/bin/qctl
	$(INSTALL) -m 755 $(BIN)/queue $(DESTDIR)$(prefix)/libexec/gsq/queue
	$(INSTALL) -m 755 $(BIN)/worker $(DESTDIR)$(prefix)/libexec/gsq/worker

uninstall:
	rm -f $(DESTDIR)$(prefix)/bin/gsq-supervisor $(DESTDIR)$(prefix)/bin/qctl
	rm -f $(addprefix $(DESTDIR)$(prefix)/libexec/gsq/,queue worker)
	-rmdir $(DESTDIR)$(prefix)/libexec/gsq

clean:
	rm -rf build bin

help:
	@echo 'make            build everything into bin/'
	@echo 'make demo       install what is missing, build, show the main job'
	@echo 'make test       install what is missing, build, run all tests'
	@echo 'make check      test + layers, circles, purity, format'
	@echo 'make asan       the tests under AddressSanitizer and UBSan'
	@echo 'make bench      figures beside beanstalkd and a bare fork+exec'
	@echo 'make install    into $(prefix) (prefix=, DESTDIR=); make uninstall'
	@echo 'make deps       install what is missing and nothing else'

.PHONY: all test run-tests check layers circles purity format asan bench \
        deps demo install uninstall clean help
.DELETE_ON_ERROR:

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
