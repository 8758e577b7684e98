"""The dock widget: two image layers in, the fused layer out. The only file that knows napari and Qt."""

from collections.abc import Generator
from typing import Any

import napari
from magicgui.widgets import ComboBox, Container, ProgressBar, PushButton, create_widget
from napari.qt.threading import GeneratorWorker, create_worker
from napari.utils.notifications import show_error, show_info

from napari_rpsnn.fusion import Progress, Result, iter_fuse
from napari_rpsnn.layers import LayerPair, read_pair

Steps = Generator[Progress, None, Result]


class FusionError(Exception):
    """The work failed for a reason of its own, such as too little memory."""


class FuseTwoLayers(Container[Any]):
    """Choose two image layers, fuse them in the background, add the all-in-focus layer.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Given by napari. The fused layer is added to it.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        self._viewer = napari_viewer
        self._worker: GeneratorWorker[Any, Any, Any] | None = None
        self._steps: Steps | None = None
        self._attributes: dict[str, Any] = {}
        self.image0 = _layer_choice("image0", "First")
        self.image1 = _layer_choice("image1", "Second")
        self.fuse_button = PushButton(name="fuse", text="Fuse", tooltip="Make one sharp image of the two layers")
        self.cancel_button = PushButton(name="cancel", text="Cancel", tooltip="Stop after the tile in work")
        self.progress = ProgressBar(name="progress", label="Tiles")
        super().__init__(widgets=[self.image0, self.image1, self.fuse_button, self.cancel_button, self.progress])
        self.min_width = 260  # docks open at 170 pixels, too narrow for layer names
        self._set_busy(False)
        self.fuse_button.changed.connect(self._start)
        self.cancel_button.changed.connect(self._cancel)
        self.native.destroyed.connect(self._abandon)
        self.native_parent_changed.connect(self._enter_or_leave)
        napari_viewer.layers.events.inserted.connect(self._preset_second)

    def _enter_or_leave(self, dock: Any) -> None:
        if dock is None:  # the dock was closed
            self._cancel()
        else:
            self._preset_second()

    def _preset_second(self) -> None:
        """Choose another second layer: both combo boxes start at the first one. Else they follow the list alone."""
        self.reset_choices()  # this may be called before the combo boxes have followed the layer list
        choices = [layer for layer in self.image1.choices if layer is not self.image0.value]
        if self.image1.value is self.image0.value and choices:
            self.image1.value = choices[-1]

    def _start(self) -> None:
        try:
            pair = read_pair(self.image0.value, self.image1.value)
        except ValueError as error:
            show_error(str(error))
            return
        self._set_busy(True)
        self._attributes = pair.attributes
        self._steps = _fuse_steps(pair)
        worker = create_worker(_run, self._steps, _start_thread=False)
        worker.yielded.connect(self._show_progress)
        worker.returned.connect(self._add_layer)
        worker.aborted.connect(_tell_cancelled)
        worker.finished.connect(self._finish)
        self._worker = worker
        worker.start()

    def _cancel(self) -> None:
        if self._worker is not None:
            self._worker.quit()

    def _abandon(self) -> None:
        """Stop the work of a widget that is being closed; nothing of the widget may be touched any more."""
        if self._worker is not None:
            for signal in (self._worker.yielded, self._worker.returned, self._worker.finished):
                signal.disconnect()
            self._worker.quit()

    def _add_layer(self, fused: Result) -> None:
        self._viewer.add_image(fused.image, **self._attributes)

    def _finish(self) -> None:
        if self._steps is not None:
            self._steps.close()  # a cancelled run would keep its images
        self._worker = self._steps = None
        self._set_busy(False)

    def _show_progress(self, progress: Progress) -> None:
        self.progress.max = progress.total
        self.progress.value = progress.done

    def _set_busy(self, busy: bool) -> None:
        self.fuse_button.enabled = not busy
        self.cancel_button.enabled = busy
        self.progress.visible = busy
        self.progress.value = 0


def _fuse_steps(pair: LayerPair) -> Steps:
    return iter_fuse(pair.image0, pair.image1, channel_axis=pair.channel_axis)


def _run(steps: Steps) -> Steps:
    try:
        return (yield from steps)
    except RuntimeError as error:
        # superqt takes a RuntimeError for a deleted worker and reports nothing; torch's errors are RuntimeErrors.
        raise FusionError(f"The fusion failed: {error}") from error


def _tell_cancelled() -> None:
    show_info("Fusion cancelled.")


def _layer_choice(name: str, label: str) -> ComboBox:
    choice: ComboBox = create_widget(name=name, label=label, annotation="napari.layers.Image")  # type: ignore[assignment]
    return choice
