# dblocktools. A tool is one file in tools/, and what the tools share is one library made of common/.
# CC, CPPFLAGS, CFLAGS, LDFLAGS and LDLIBS are the user's: they come last and are never changed here.
# BUILD is the tree that everything goes to: make BUILD=build/asan CFLAGS='-g -fsanitize=address' …

VERSION    := 0.1.0
PACKAGES   := sqlite3 jansson libproc2 libcap libcrypto libzstd ncursesw
BUILD      ?= build
# One name for one tree: what was compiled under another name would not be made anew when a header changes.
override BUILD := $(patsubst $(CURDIR)/%,%,$(abspath $(BUILD)))
PREFIX     ?= /usr/local
PKG_CONFIG ?= pkg-config
CFLAGS     ?= -O2 -g

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef
optimise := $(filter-out -O0,$(filter -O%,$(CFLAGS)))
HARDENING      := -fPIE -fstack-protector-strong -fstack-clash-protection \
                  $(if $(optimise),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
HARDENING_LINK := -pie -Wl,-z,relro,-z,now
DEFINES   := -I. -D_GNU_SOURCE -DDBLOCKTOOLS_VERSION='"$(VERSION)"' \
             $(shell $(PKG_CONFIG) --cflags $(PACKAGES) 2>/dev/null)
LIBRARIES := $(shell $(PKG_CONFIG) --libs $(PACKAGES) 2>/dev/null)

compile = $(CC) -std=gnu11 $(WARNINGS) $(HARDENING) $(DEFINES) $(CPPFLAGS) $(CFLAGS) $(pic)
link    = $(CC) $(HARDENING_LINK) -Wl,--as-needed -pthread $(LDFLAGS) -o $@ $(filter-out %.list,$^) \
          $(LIBRARIES) -lm $(also) $(LDLIBS)

library := $(BUILD)/libcommon.a
modules := $(wildcard common/*.c common/*/*.c)
TOOLS   := $(basename $(notdir $(wildcard tools/*.c)))
pages   := $(wildcard tools/*.1 scripts/*.1)
scripts := $(addprefix scripts/,safe_migrate.sh bot.sh bot.mk dblocktools.conf.example) $(wildcard scripts/lib/*.bash)
bindir   = $(DESTDIR)$(PREFIX)/bin
libdir   = $(DESTDIR)$(PREFIX)/lib/dblocktools
mandir   = $(DESTDIR)$(PREFIX)/share/man/man1

# Programs, from where their sources are. Helpers and benches stand alone, without the library.
tools   := $(TOOLS:%=$(BUILD)/%)
units   := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/test_*.c))
fuzzers := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/fuzz_*.c))
helpers := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/helpers/*.c))
benches := $(patsubst tests/bench/%.c,$(BUILD)/tests/helpers/%,$(wildcard tests/bench/*.c))
shims   := $(BUILD)/tests/fault/inject.so $(BUILD)/tests/fault/record.so
objects := $(patsubst %.c,$(BUILD)/%.o,$(modules) $(wildcard tools/*.c tests/*/*.c))

all: $(tools)                   ## build the tools (the default)

$(tools): $(BUILD)/%: $(BUILD)/tools/%.o $(library)
$(units) $(fuzzers): %: %.o $(library)
$(helpers): %: %.o
$(benches): $(BUILD)/tests/helpers/%: $(BUILD)/tests/bench/%.o
$(units): private also = -lcmocka
$(BUILD)/tests/unit/test_snapshot_raw: private also = -lcmocka -Wl,--wrap=worker_should_stop
$(fuzzers): private also = -fsanitize=fuzzer
$(tools) $(units) $(fuzzers) $(helpers) $(benches): $(BUILD)/link.list
	@mkdir -p $(@D)
	$(link)

# What is loaded before the C library, into a tool that is tested.
$(BUILD)/tests/fault/%.o: private pic := -fPIC
$(shims): $(BUILD)/%.so: $(BUILD)/%.o $(BUILD)/tests/fault/intercept.o $(BUILD)/link.list
	$(CC) -shared -Wl,-z,relro,-z,now $(LDFLAGS) -o $@ $(filter %.o,$^) $(LDLIBS)

# A module that is gone must not live on in the archive: it is made anew, also when the list changes.
$(library): $(modules:%.c=$(BUILD)/%.o) $(BUILD)/modules.list
	rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

$(BUILD)/%.o: %.c $(BUILD)/compile.list
	@mkdir -p $(@D)
	$(compile) -MMD -MP -c -o $@ $<

# What the last build was made with; these files change only when it does.
$(BUILD)/compile.list: private content = $(compile)
$(BUILD)/link.list:    private content = $(CC) $(HARDENING_LINK) $(LDFLAGS) $(LIBRARIES) $(LDLIBS)
$(BUILD)/modules.list: private content = $(modules)
$(BUILD)/%.list: always
	$(if $(LIBRARIES),,$(error $(PKG_CONFIG) does not find all of "$(PACKAGES)": run scripts/install-deps.sh build))
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(content))' | cmp -s - $@ || \
	 printf '%s\n' '$(subst ','\'',$(content))' > $@

# Nothing but the compiler's warnings.
warnings: $(objects:.o=.warned)
$(BUILD)/%.warned: %.c $(BUILD)/compile.list
	@mkdir -p $(@D)
	$(compile) -MMD -MP -MT $@ -MF $(@:.warned=.d) -fsyntax-only $<
	@touch $@

build-tests: $(units) $(helpers) $(benches) $(shims)     ## build the unit tests, and the helpers of all tests

test:                           ## run the unit tests and the command line tests
	BUILD='$(BUILD)' scripts/check.sh tests

fuzz:                           ## build the fuzz targets with clang, in a tree of their own
	$(MAKE) BUILD=$(BUILD)/fuzz CC=clang HARDENING= HARDENING_LINK= \
	  CFLAGS='-O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all' \
	  LDFLAGS='-fsanitize=address,undefined' fuzz-programs
fuzz-programs: $(fuzzers)

demo:                           ## see the tools at work on a bot whose database is locked
	scripts/demo.sh

# The scripts find the tools by ../../bin from where they are, and themselves through the link.
install: all                    ## install to PREFIX (/usr/local), below DESTDIR if that is set
	install -d '$(bindir)' '$(mandir)' '$(libdir)/lib'
	$(if $(tools),install -m 755 $(tools) '$(bindir)')
	$(if $(pages),install -m 644 $(pages) '$(mandir)')
	install -m 755 $(filter %.sh,$(scripts)) '$(libdir)'
	install -m 644 $(filter %.mk %.example,$(scripts)) '$(libdir)'
	install -m 644 $(filter %.bash,$(scripts)) '$(libdir)/lib'
	ln -sfn ../lib/dblocktools/safe_migrate.sh '$(bindir)/safe_migrate.sh'

uninstall:                      ## remove what install put there
	rm -f $(TOOLS:%='$(bindir)/%') '$(bindir)/safe_migrate.sh' $(patsubst %,'$(mandir)/%',$(notdir $(pages))) \
	  $(scripts:scripts/%='$(libdir)/%')
	for folder in '$(libdir)/lib' '$(libdir)'; do \
	  [ ! -d "$$folder" ] || rmdir --ignore-fail-on-non-empty "$$folder" || exit; done

clean:                          ## remove the build trees
	rm -rf '$(BUILD)'

help:                           ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
	 while IFS='|' read -r target what; do printf '  %-18s %s\n' "$$target" "$$what"; done

.PHONY: all warnings build-tests test fuzz fuzz-programs demo install uninstall clean help always
.SECONDARY:
.DELETE_ON_ERROR:
-include $(objects:.o=.d)
