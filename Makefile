# Two commands do all the set-up: `make demo` runs the main job, `make test` passes the tests.
PYTHON ?= python3
TOX := .tools/bin/tox

# What a window of napari needs on a virtual display.
DISPLAY_PACKAGES := xvfb libegl1 libgl1 libgl1-mesa-dri libglib2.0-0 libdbus-1-3 libfontconfig1 \
	libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 \
	libxcb-render-util0 libxcb-shape0 libxcb-xkb1

.PHONY: demo test soak lowest lint docs weights screenshots clean

demo: $(TOX)  ## fuse a pair with known truth, or: make demo ARGS="A.png B.png -o OUT"
	$(TOX) run -q -e demo -- $(ARGS)

test: $(TOX) display  ## style, types, the core without Qt, and everything with napari in a real window
	$(TOX) run

soak: $(TOX)  ## a hundred times as many images, options and damaged files as in the tests, and other ones each time
	SOAK=100 $(TOX) run -q -e core -- tests/test_properties.py tests/io/test_damage.py \
		tests/model/test_damaged_weights.py tests/training/test_checkpoint.py

lowest: $(TOX)  ## all but the widgets, with the lowest versions that are declared, on Python 3.11
	$(TOX) run -e lowest

lint: $(TOX)  ## style, types, and the arrows between rooms
	$(TOX) run -q -e lint

docs: $(TOX)  ## the documentation as a site, in build/docs: its code blocks are run, its links checked
	$(TOX) run -q -e docs

weights: $(TOX)  ## train all that is bundled anew: make weights DATA=folder/of/sharp/images
	$(TOX) run -q -e train -- $(DATA) -o runs/rpsnn-lite --model rpsnn-lite
	$(TOX) run -q -e train -- $(DATA) -o runs/rpsnn --model rpsnn --init runs/rpsnn-lite/model.safetensors
	cp runs/rpsnn-lite/model.safetensors weights/rpsnn-lite.safetensors
	cp runs/rpsnn/model.safetensors weights/rpsnn.safetensors
	$(TOX) run -q -e decider -- $(DATA) weights/decider.safetensors
	$(TOX) run -q -e stack-decider -- $(DATA) weights/stack_decider.safetensors
	$(TOX) run -q -e highlight-decider -- $(DATA) weights/highlight_decider.safetensors
	$(TOX) run -q -e outline-decider -- $(DATA) weights/outline_decider.safetensors

screenshots: $(TOX) display  ## make the pictures in docs/napari and of a report anew (that one needs Chromium)
	$(TOX) run -q -e screenshots

.PHONY: display
display:
	@scripts/system-packages.sh $(DISPLAY_PACKAGES)

$(TOX):
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || scripts/system-packages.sh python3-venv
	$(PYTHON) -m venv .tools
	.tools/bin/pip install -q 'tox>=4.22'

clean:
	rm -rf .tools .tox build dist demo
