# bot.mk - targets for the Makefile of a bot's project. In that Makefile one line does it:
#
#	include /usr/local/lib/dblocktools/bot.mk
#
# The settings are in dblocktools.conf beside that Makefile (dblocktools.conf.example lies here). Variables:
#
#	REV=-1 or a revision	for downgrade-dev and downgrade-prod
#	BACKUP=FILE YES=1	for restore-dev and restore-prod without a terminal
#	OPTIONS='--restart'	more options of safe_migrate.sh

# Where this file is, as a word of the shell; $(MAKEFILE_LIST) separates by spaces, so the path of dblocktools may have none.
dblocktools := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
dblocktools_quoted = '$(subst ','\'',$(1))'
# The project is where make runs: nothing has to be quoted then.
dblocktools_bot = '$(subst ','\'',$(dblocktools))/bot.sh' --say-start='make $(1)'
dblocktools_migrate = '$(subst ','\'',$(dblocktools))/safe_migrate.sh' --say-start='make $(1)'
# Of the command line or of a Makefile; what lies in the environment by this name is something else.
ifneq ($(filter undefined environment,$(origin REV)),)
REV := -1
endif
ifeq ($(origin BACKUP),environment)
BACKUP :=
endif
ifeq ($(origin YES),environment)
YES :=
endif
ifeq ($(origin OPTIONS),environment)
OPTIONS :=
endif

dev prod:                       ## start the bot, and see that it stays up
	@$(call dblocktools_bot,$@) start $@

stop-dev stop-prod:             ## stop it, and prove that nobody uses the database
	@$(call dblocktools_bot,$(@:stop-%=%)) stop $(@:stop-%=%)

migrate-dev migrate-prod:       ## stop it, back up, migrate all or nothing, verify
	@$(call dblocktools_migrate,$(@:migrate-%=%)) $(OPTIONS) $(@:migrate-%=%)

downgrade-dev downgrade-prod:   ## take migrations back: REV=-1 (the usual one), or a revision
	@$(call dblocktools_migrate,$(@:downgrade-%=%)) --down=$(call dblocktools_quoted,$(value REV)) $(OPTIONS) $(@:downgrade-%=%)

backup-dev backup-prod:         ## a verified backup, while the bot works
	@$(call dblocktools_bot,$(@:backup-%=%)) backup $(@:backup-%=%)

restore-dev restore-prod:       ## list the backups, ask, stop the bot, put one back
	@$(call dblocktools_bot,$(@:restore-%=%)) $(if $(BACKUP),--backup=$(call dblocktools_quoted,$(value BACKUP))) \
	  $(if $(YES),--yes) restore $(@:restore-%=%)

status-dev status-prod:         ## who has the database open, and at which revision it is
	@$(call dblocktools_bot,$(@:status-%=%)) status $(@:status-%=%)

check-dev check-prod:           ## the checklist before a migration
	@$(call dblocktools_bot,$(@:check-%=%)) check $(@:check-%=%)

history:                        ## the migrations of prod, applied and not
	@$(call dblocktools_bot,prod) history prod

logs-migrate:                   ## what the last migration of prod printed
	@$(call dblocktools_bot,prod) logs prod

# A project that has a "help" of its own keeps it, and may name this one in it.
help-bot:
	@sed -n 's/^\([a-z -]*\):.*## \(.*\)/\1|\2/p' '$(subst ','\'',$(dblocktools))/bot.mk' | \
	  while IFS='|' read -r targets what; do printf '  make %-32s %s\n' "$$targets" "$$what"; done
ifeq ($(filter help,$(MAKECMDGOALS)),help)
help: help-bot
endif

# "make" alone starts nothing. A project with a usual target of its own has that before the include.
.DEFAULT_GOAL := $(if $(filter-out dev,$(.DEFAULT_GOAL)),$(.DEFAULT_GOAL),help-bot)

# make would expand them once more for the programs that it runs.
unexport REV BACKUP YES OPTIONS

.PHONY: dev prod stop-dev stop-prod migrate-dev migrate-prod downgrade-dev downgrade-prod backup-dev backup-prod \
        restore-dev restore-prod status-dev status-prod check-dev check-prod history logs-migrate help-bot
