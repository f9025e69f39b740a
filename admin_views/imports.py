"""Usage from a file, in three steps: choose it, say what its columns are, watch it being imported."""

from typing import Any
from uuid import UUID

from flask import jsonify, redirect, request
from flask_admin import BaseView, expose
from werkzeug.datastructures import CombinedMultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response as BaseResponse

from admin_views.access import current_actor, may, require
from admin_views.base import StaffView
from admin_views.import_forms import MappingForm, UploadForm, mapping_form
from admin_views.operations import refuse
from app import clock
from app.db import in_transaction
from app.errors import DomainError, NotFound
from app.models import JobRun, StoredFile
from app.permissions import Verb
from app.services.imports import runs, trials, uploads

SHOWN = ("phase", "rows", "done", "made", "accepted", "duplicates", "rejected")


class ImportView(StaffView, BaseView):
    """The page at /admin/import/. Imported usage costs its customers money: only who may write may look."""

    resource = "customers"
    icon = "file-import"

    def __init__(self) -> None:
        super().__init__(name="Import data", category="Usage", endpoint="admin_import", url="import")

    def is_accessible(self) -> bool:
        """Tell whether the person who is looking may import."""
        return may(self.resource, Verb.write)

    def _handle_view(self, name: str, /, **_: Any) -> None:
        require(self.resource, Verb.write)

    def create_blueprint(self, admin: Any) -> Any:
        """Answer a file over the limit of a request, too, at the field it came by."""
        blueprint = super().create_blueprint(admin)
        blueprint.register_error_handler(RequestEntityTooLarge, self._too_large)
        return blueprint

    def _too_large(self, error: RequestEntityTooLarge) -> Any:
        if not self.is_accessible():
            return error
        form = UploadForm()
        form.file.errors = ["The file is larger than 16 MB. Pack it with gzip, or split it."]
        return self._choose(form), 413

    @expose("/", methods=("GET", "POST"))
    def index(self) -> Any:
        """Choose a file; by POST, check it and keep it."""
        if request.method == "GET":
            return self._choose(UploadForm())
        form = UploadForm(CombinedMultiDict((request.files, request.form)))
        if form.validate():
            given = form.file.data
            with given.stream as stream:
                content = stream.read()
            try:
                upload = in_transaction(lambda: uploads.keep(given.filename or "", content).id)
            except DomainError as error:
                refuse(form, error)
            else:
                return redirect(self.get_url(".review", id=upload))
        return self._choose(form), 422

    def _choose(self, form: UploadForm) -> str:
        return self.render("admin/imports/choose.html", form=form, recent=runs.recent())

    @expose("/review/", methods=("GET", "POST"))
    def review(self) -> Any:
        """Say what the columns are; by POST, check what would happen, or begin."""
        upload = uploads.get(request.args.get("id", ""))
        if runs.find(upload.id):
            return redirect(self.get_url(".run", id=upload.id))
        with uploads.opened(upload) as path:
            preview = uploads.preview(path)
        form = mapping_form(preview.survey.columns, request.form if request.method == "POST" else None)
        trial, status = None, 200
        if request.method == "POST":
            status = 422
            if form.validate():
                try:
                    if request.form.get("step") == "start":
                        return self._start(upload, form)
                    trial = trials.check(upload, form.choices(), at=clock.now(), actor=current_actor())
                    status = 200
                except DomainError as error:
                    refuse(form, error)
        name = uploads.name_of(upload)
        page = self.render("admin/imports/review.html", form=form, preview=preview, trial=trial, name=name)
        return page, status

    def _start(self, upload: StoredFile, form: MappingForm) -> BaseResponse:
        actor, chosen, key = current_actor(), form.choices(), upload.id
        in_transaction(lambda: runs.start(uploads.get(key), chosen, at=clock.now(), actor=actor))
        return redirect(self.get_url(".run", id=key))

    @expose("/run/")
    def run(self) -> str:
        """Show how far an import is, and what became of the rows."""
        run = self._asked()
        return self.render("admin/imports/run.html", run=run, detail=run.detail)

    @expose("/progress/")
    def progress(self) -> Any:
        """Return how far an import is, for the script of its page."""
        run = self._asked()
        detail = run.detail or {}
        return jsonify({**{name: detail[name] for name in SHOWN}, "finished": run.finished_at is not None})

    def _asked(self) -> JobRun:
        try:
            run = runs.find(UUID(request.args.get("id", "")))
        except ValueError:
            run = None
        if run is None:
            raise NotFound("There is no such import.")
        return run
