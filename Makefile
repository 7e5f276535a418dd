# gsq: supervised, demand-driven job queue. `make help` lists the targets.

CC       ?= cc
BUILD    ?= build
BIN      ?= bin
prefix   ?= $(or $(PREFIX),/usr/local)
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
QCTL_LIBS   = -lmsgpackc -ljansson -lncursesw -ltinfo
$(BIN)/qctl: LIBS = $(QCTL_LIBS)

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
failing_memory  = tests/support/memory.c
under_test_common     = $(failing_memory)
under_test_core       = $(call sources,queue/core) $(failing_memory)
under_test_queue      = $(QUEUE)
under_test_store      = $(QUEUE) $(addprefix tests/support/,disk.c store_world.c)
under_test_supervisor = $(SUPERVISOR) $(failing_memory)
under_test_worker     = $(WORKER) $(failing_memory)
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
$(TRACE): $(call verify_objects,$(wildcard tests/trace/*.c) \
    $(call sources,queue/core) $(COMMON))

$(UNIT_BINARIES) $(TRACE):
	$(call say,link $@)$(LINK) $(DAEMON_LIBS) $(QCTL_LIBS) -lcriterion

$(VERIFY)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,cc $< (verify))$(COMPILE) -DGSQ_VERIFY

# ---- the simulator: worlds in one process, from a seed ---------------------
# The real queue, session, ledger and plan, linked with a virtual disk, clock,
# sockets and event loop. It looks through the invariants itself, and not after
# every step, so these objects are the programs' own.

SIM = $(VERIFY)/sim
SIM_REAL = $(filter-out queue/io_disk.c queue/options.c,$(QUEUE)) \
    supervisor/plan.c common/sys/peer.c $(filter-out common/sys/% \
    common/base/pages.c,$(COMMON)) $(addprefix worker/,session.c ledger.c report.c outcome.c)
SIM_WRAPPED = malloc calloc realloc free strndup getpid _exit signal sigprocmask send \
    recv __recv_chk shutdown close fcntl unlink store_log_open core_step \
    ledger_step ledger_resend
$(SIM): $(call verify_objects,$(wildcard tests/sim/*.c) tests/support/disk.c) \
    $(call objects,$(SIM_REAL))
	$(call say,link $@)$(LINK) -lmsgpackc \
	    $(addprefix -Wl$(comma)--wrap=,$(SIM_WRAPPED))
comma = ,

sim: $(SIM)
	@$(SIM) $(if $(SEED),--seed $(SEED)) $(if $(SEEDS),--seeds $(SEEDS)) \
	    $(if $(STEPS),--steps $(STEPS)) $(SIM_OPTIONS)

# ---- fuzzing: libFuzzer of clang; what it found is kept and is a test ------
# Each target is linked with what it may use, with libFuzzer to attack it and
# without to replay what is kept in tests/fuzz/corpus and tests/fuzz/finds.

SECONDS_EACH ?= 60
FUZZ = scanner request reply worker store configuration words core text output
fuzzed_request = queue/verdict.c queue/core/retry.c
fuzzed_reply  = $(CLIENT) $(QCTL)
fuzzed_worker = $(WORKER)
fuzzed_store  = $(QUEUE) tests/fuzz/image.c tests/support/disk.c \
                tests/support/store_world.c
fuzzed_words  = $(CLIENT) $(QCTL)
fuzzed_core   = $(call sources,queue/core)
fuzzed_text   = $(CLIENT) $(QCTL)
fuzzed_output = $(WORKER)

FUZZ_FLAGS = -fsanitize=fuzzer-no-link,address,undefined \
             -fno-sanitize-recover=all -DSLAB_CHUNK_BITS=4
fuzzers = $(addprefix $(VERIFY)/fuzz_,$(1))
define fuzz_rule
$(VERIFY)/fuzz_$(1) $(VERIFY)/replay_$(1): $(call verify_objects, \
    tests/fuzz/target_$(1).c $(fuzzed_$(1)) $(COMMON))
REPLAYS += $(VERIFY)/replay_$(1)
endef
$(foreach target,$(FUZZ),$(eval $(call fuzz_rule,$(target))))
$(REPLAYS): $(VERIFY)/tests/fuzz/replay.o
$(VERIFY)/seed_store: $(call verify_objects,tests/fuzz/seed_store.c \
    $(fuzzed_store) $(COMMON))
$(REPLAYS) $(VERIFY)/seed_store:
	$(call say,link $@)$(LINK) $(DAEMON_LIBS) $(QCTL_LIBS)
$(call fuzzers,$(FUZZ)):
	$(call say,link $@)$(LINK) -fsanitize=fuzzer $(DAEMON_LIBS) $(QCTL_LIBS)

replay: deps
	$(SUBMAKE) run-replay
run-replay: $(REPLAYS)
	@tests/fuzz/run --replay $(VERIFY)

fuzz:
	@tools/deps build fuzz
	$(SUBMAKE) run-fuzz BUILD=$(BUILD)/fuzz CC=clang HARDENING=-fPIE \
	    CFLAGS='-O1 -g -fno-omit-frame-pointer' EXTRA_CFLAGS='$(FUZZ_FLAGS)'
run-fuzz: $(call fuzzers,$(or $(TARGET),$(FUZZ)))
	@tests/fuzz/run --seconds $(SECONDS_EACH) $(seed) $(VERIFY) $(TARGET)
.PHONY: replay run-replay fuzz run-fuzz

# ---- all of them -----------------------------------------------------------

test: deps
	$(SUBMAKE) run-tests

SIM_STEPS ?= 10000000
run-tests: all $(UNIT_BINARIES) $(TRACE) $(REPLAYS) $(SIM)
	@GSQ_BIN=$(BIN) tests/run --traces $(TRACE) --replays $(VERIFY) \
	    --sim $(SIM) --sim-steps $(SIM_STEPS) $(UNIT_BINARIES)

asan: export LSAN_OPTIONS = suppressions=$(CURDIR)/tests/leaks.txt:print_suppressions=0
asan: deps
	$(SUBMAKE) run-tests BUILD=$(BUILD)/asan BIN=$(BUILD)/asan/bin \
	    SIM_STEPS=100000 \
	    CFLAGS='-O1 -g -fno-omit-frame-pointer' HARDENING=-fPIE \
	    EXTRA_CFLAGS='-fsanitize=address,undefined -fno-sanitize-recover=all'

# What of the pure parts unit tests and traces reach.
cover: deps
	@find $(BUILD)/cover -name '*.gcda' -delete 2>/dev/null || true
	$(SUBMAKE) run-cover BUILD=$(BUILD)/cover BIN=$(BUILD)/cover/bin \
	    CFLAGS='-O0 -g --coverage' HARDENING=-fPIE
run-cover: $(UNIT_BINARIES) $(TRACE)
	@for test in $(UNIT_BINARIES); do \
	    $$test -j2 >$$test.log 2>&1 || { cat $$test.log; exit 1; }; done
	@$(TRACE) tests/trace/*.trace >/dev/null
	@tools/cover $(BUILD)

# Crash tests on real processes, far longer than the tests above run them. A
# SEED repeats what was done, though never exactly when.
KILLS ?= 1000
CUTS  ?= 300
EVENTS ?= 1000000
KEYS  ?= 1000
JOBS  ?= 1000000
seed   = $(if $(SEED),--seed $(SEED))
chaos: all
	@GSQ_BIN=$(BIN) tests/chaos/chaos --kills $(KILLS) $(seed)
storm: all
	@GSQ_BIN=$(BIN) tests/chaos/storm --events $(EVENTS) --keys $(KEYS) $(seed)
pages: all
	@GSQ_BIN=$(BIN) bench/pages --jobs $(JOBS)
poison: all
	@GSQ_BIN=$(BIN) bench/poison $(seed)
powercut: all
	@GSQ_BIN=$(BIN) tests/chaos/powercut --cuts $(CUTS) $(seed) || \
	    [ $$? -eq 77 ]

# Builds gsq with one bug after the other and wants each to be seen. BUG=NAME...
# for some of them alone.
planted:
	@tests/planted/run $(BUG)
planted-tests: $(UNIT_BINARIES) $(TRACE) $(SIM)

# ---- checks: what the build already knows about the shape ------------------

check: test
	$(SUBMAKE) shape

shape:
	@tools/deps build check
	$(SUBMAKE) layers circles purity format lint installed clang

layers: all
	@tools/layers $(BUILD)
circles: all
	@tools/circles $(BUILD)
purity: all
	@tools/purity $(BUILD)
format:
	@tools/format
# Another compiler's eyes. It makes nothing: what it warns of it sees without.
LOOKED_AT = $(patsubst %.c,$(BUILD)/clang/%.looked,$(wildcard */*.c */*/*.c \
    */*/*/*.c))
clang: $(LOOKED_AT)
	@echo 'clang: no warning'
$(BUILD)/clang/%.looked: %.c Makefile
	@mkdir -p $(@D)
	$(call say,clang $<)clang $(ALL_CFLAGS) -DGSQ_VERIFY -fsyntax-only \
	    -MMD -MP -MT $@ -MF $(@:.looked=.d) $< && touch $@

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

# ---- man pages: docs/man, filled in from the tables of the programs ---------

MANUAL = $(addprefix $(BUILD)/man/,$(notdir $(wildcard docs/man/*.[1-9])))
man: $(MANUAL)
$(BUILD)/manual: $(BUILD)/tools/manual.o
	$(call say,link $@)$(LINK)
$(BUILD)/man/%: docs/man/% $(BUILD)/manual
	@mkdir -p $(@D)
	$(call say,man $(@F))$(BUILD)/manual <$< >$@
lint: man
	@mandoc -T lint -W warning $(MANUAL) && \
	    echo 'lint: $(words $(MANUAL)) man pages are as they should be'

# ---- the rest --------------------------------------------------------------

deps:
	@tools/deps build

demo: deps
	$(SUBMAKE) all
	@tools/demo $(BIN)

INSTALL = install -D
bindir  = $(DESTDIR)$(prefix)/bin
execdir = $(DESTDIR)$(prefix)/libexec/gsq
mandir  = $(DESTDIR)$(prefix)/share/man
docdir  = $(DESTDIR)$(prefix)/share/doc/gsq
unitdir = $(DESTDIR)$(prefix)/lib/systemd/system
DOCUMENTS = docs/OPERATING.md docs/PROTOCOL.md examples/worker.py \
    packaging/gsq.conf LICENSE
installed_man = $(foreach page,$(MANUAL),$(mandir)/man$(subst .,,$(suffix \
    $(page)))/$(notdir $(page)))
install: all man
	$(INSTALL) -m 755 $(BIN)/supervisor $(bindir)/gsq-supervisor
	$(INSTALL) -m 755 $(BIN)/qctl $(bindir)/qctl
	$(INSTALL) -m 755 $(BIN)/queue $(execdir)/queue
	$(INSTALL) -m 755 $(BIN)/worker $(execdir)/worker
	for page in $(installed_man); do \
	    $(INSTALL) -m 644 $(BUILD)/man/$${page##*/} $$page || exit; done
	$(INSTALL) -m 644 -t $(docdir) $(DOCUMENTS)
	$(INSTALL) -m 644 packaging/gsq.service $(unitdir)/gsq.service
	sed -i 's|/usr/local/|$(prefix)/|' $(unitdir)/gsq.service

uninstall:
	rm -f $(bindir)/gsq-supervisor $(bindir)/qctl $(installed_man)
	rm -f $(execdir)/queue $(execdir)/worker $(unitdir)/gsq.service
	rm -f $(addprefix $(docdir)/,$(notdir $(DOCUMENTS)))
	for folder in $(execdir) $(docdir); do \
	    [ ! -d $$folder ] || rmdir $$folder || exit; done

# What is installed works from where it is, and goes without a trace.
installed: all man
	+@tools/installed $(MAKE)

clean:
	rm -rf $(BUILD) $(BIN)

help:
	@echo 'make            build everything into bin/ (V=1 shows the commands)'
	@echo 'make demo       install what is missing, build, show the main job'
	@echo 'make test       install what is missing, build, run all tests'
	@echo 'make check      test + layers, circles, purity, format, lint, installed, clang'
	@echo 'make asan       the tests under AddressSanitizer and UBSan'
	@echo 'make cover      how much of the pure parts the tests reach'
	@echo 'make planted    builds with planted bugs, each of which a test must see'
	@echo 'make chaos      KILLS=1000 [SEED=n]: SIGKILL everything under load'
	@echo 'make storm      EVENTS=1000000 KEYS=1000 [SEED=n]: few keys, many kills'
	@echo 'make pages      JOBS=1000000: lists them all, and nothing changes'
	@echo 'make poison     [SEED=n]: how long others wait beside jobs that kill'
	@echo 'make powercut   CUTS=300 [SEED=n]: the same for the disk; root only'
	@echo 'make sim        [SEED=n] [SEEDS=n] [STEPS=n]: simulated worlds'
	@echo 'make fuzz       SECONDS_EACH=60 [TARGET=t] [SEED=n]: libFuzzer'
	@echo 'make replay     what the fuzzers found, again'
	@echo 'make bench      figures beside beanstalkd, Redis and bare loops'
	@echo 'make man        man pages into $(BUILD)/man; make lint looks at them'
	@echo 'make install    into $(prefix) (prefix=, DESTDIR=); make uninstall'
	@echo 'make deps       install what is missing and nothing else'
	@echo 'make clean      remove $(BUILD)/ and $(BIN)/'

.PHONY: all test run-tests sim asan chaos storm pages poison powercut check shape layers \
        circles purity format lint installed clang man bench run-bench deps \
        demo install uninstall clean help
.DELETE_ON_ERROR:

-include $(shell find $(BUILD) -name '*.d' -type f 2>/dev/null)
