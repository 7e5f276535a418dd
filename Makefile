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

# A line per file; `make V=1` shows the commands.
say      = $(if $(V),,@echo '  $(1)';)
COMPILE  = $(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<
LINK     = $(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^)
SUBMAKE  = +@$(MAKE) --no-print-directory

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
BENCH     = $(addprefix $(BUILD)/bench/,cycle restart durable backlog store)
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
	$(call say,link $@)$(LINK) $(LIBS)

$(LIBCOMMON): $(call objects,$(COMMON))
$(LIBGSQ):    $(call objects,$(CLIENT))
$(LIBCOMMON) $(LIBGSQ):
	@rm -f $@
	@$(AR) rcs $@ $^

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,cc $<)$(COMPILE)

# ---- tests: unit tests (Criterion), traces, system tests -------------------
# Objects of the tests are built apart, with the invariants checked after every
# step (GSQ_VERIFY). A unit is linked with what it may use and nothing else.

VERIFY     = $(BUILD)/verify
UNIT       = common core queue store supervisor worker client qctl
unit_common     = base wire sys
unit_binary     = $(VERIFY)/unit_$(1)
verify_objects  = $(patsubst %.c,$(VERIFY)/%.o,$(1))
under_test_core = $(call sources,queue/core)
under_test_queue      = $(QUEUE)
under_test_store      = $(QUEUE) $(wildcard tests/support/*.c)
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
$(TRACE): $(call verify_objects,$(wildcard tests/trace/*.c) $(under_test_core) $(COMMON))

$(UNIT_BINARIES) $(TRACE):
	$(call say,link $@)$(LINK) $(DAEMON_LIBS) -ljansson -lcriterion

$(VERIFY)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,cc $< (verify))$(COMPILE) -DGSQ_VERIFY

test: deps
	$(SUBMAKE) run-tests

run-tests: all $(UNIT_BINARIES) $(TRACE)
	@GSQ_BIN=$(BIN) tests/run --traces $(TRACE) $(UNIT_BINARIES)

asan: export LSAN_OPTIONS = suppressions=$(CURDIR)/tests/leaks.txt:print_suppressions=0
asan: deps
	$(SUBMAKE) run-tests BUILD=$(BUILD)/asan BIN=$(BUILD)/asan/bin \
	    CFLAGS='-O1 -g -fno-omit-frame-pointer' HARDENING=-fPIE \
	    EXTRA_CFLAGS='-fsanitize=address,undefined -fno-sanitize-recover=all'

# Crash tests on real processes, far longer than the tests above run them. A
# SEED repeats what was done, though never exactly when.
KILLS ?= 1000
CUTS  ?= 300
seed   = $(if $(SEED),--seed $(SEED))
chaos: all
	@GSQ_BIN=$(BIN) tests/chaos/chaos --kills $(KILLS) $(seed)
powercut: all
	@GSQ_BIN=$(BIN) tests/chaos/powercut --cuts $(CUTS) $(seed) || \
	    [ $$? -eq 77 ]

# ---- checks: what the build already knows about the shape ------------------

check: test
	$(SUBMAKE) shape

shape:
	@tools/deps build check
	$(SUBMAKE) layers circles purity format clang

layers: all
	@tools/layers $(BUILD)
circles: all
	@tools/circles $(BUILD)
purity: all
	@tools/purity $(BUILD)
format:
	@tools/format
clang:
	$(SUBMAKE) everything CC=clang BUILD=$(BUILD)/clang BIN=$(BUILD)/clang/bin
	@echo 'clang: no warning'

everything: all $(UNIT_BINARIES) $(TRACE) $(BENCH)

# ---- benchmarks: never part of the tests -----------------------------------

bench:
	@tools/deps build bench
	$(SUBMAKE) run-bench
run-bench: all $(BENCH)
	@bench/run $(BUILD) $(BIN)
$(BUILD)/bench/cycle: $(BUILD)/bench/beanstalk.o
$(BUILD)/bench/durable $(BUILD)/bench/backlog: $(BUILD)/bench/subject.o \
    $(BUILD)/bench/lockstep.o
$(BUILD)/bench/store: $(call objects,$(QUEUE))
$(BENCH): $(BUILD)/bench/%: $(BUILD)/bench/%.o $(BUILD)/bench/support.o \
    $(LIBGSQ) $(LIBCOMMON)
	$(call say,link $@)$(LINK) $(DAEMON_LIBS)

# ---- the rest --------------------------------------------------------------

deps:
	@tools/deps build

demo: deps
	$(SUBMAKE) all
	@tools/demo $(BIN)

INSTALL = install -D
bindir  = $(DESTDIR)$(prefix)/bin
execdir = $(DESTDIR)$(prefix)/libexec/gsq
install: all
	$(INSTALL) -m 755 $(BIN)/supervisor $(bindir)/gsq-supervisor
	$(INSTALL) -m 755 $(BIN)/qctl $(bindir)/qctl
	$(INSTALL) -m 755 $(BIN)/queue $(execdir)/queue
	$(INSTALL) -m 755 $(BIN)/worker $(execdir)/worker

uninstall:
	rm -f $(bindir)/gsq-supervisor $(bindir)/qctl
	rm -f $(execdir)/queue $(execdir)/worker
	[ ! -d $(execdir) ] || rmdir $(execdir)

clean:
	rm -rf $(BUILD) $(BIN)

help:
	@echo 'make            build everything into bin/ (V=1 shows the commands)'
	@echo 'make demo       install what is missing, build, show the main job'
	@echo 'make test       install what is missing, build, run all tests'
	@echo 'make check      test + layers, circles, purity, format, clang'
	@echo 'make asan       the tests under AddressSanitizer and UBSan'
	@echo 'make chaos      KILLS=1000 [SEED=n]: SIGKILL everything under load'
	@echo 'make powercut   CUTS=300 [SEED=n]: the same for the disk; root only'
	@echo 'make bench      figures beside beanstalkd, Redis and bare loops'
	@echo 'make install    into $(prefix) (prefix=, DESTDIR=); make uninstall'
	@echo 'make deps       install what is missing and nothing else'
	@echo 'make clean      remove $(BUILD)/ and $(BIN)/'

.PHONY: all test run-tests asan chaos powercut check shape layers circles \
        purity format clang everything bench run-bench deps demo install \
        uninstall clean help
.DELETE_ON_ERROR:

-include $(shell find $(BUILD) -name '*.d' -type f 2>/dev/null)
