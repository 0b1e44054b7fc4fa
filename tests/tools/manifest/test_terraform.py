"""`import` blocks for Terraform."""

from connected_apps_tools.manifest.exports.terraform import HEAD, import_blocks


def test_each_app_is_an_import_block() -> None:
    assert import_blocks({"b": "app-2", "a": "app-1"}, "acme", "live") == HEAD + (
        '\nimport {\n  to = stytch_connected_app.a\n  id = "acme.live.app-1"\n}\n'
        '\nimport {\n  to = stytch_connected_app.b\n  id = "acme.live.app-2"\n}\n'
    )


def test_slugs_that_are_not_given_have_to_be_replaced() -> None:
    assert '"PROJECT_SLUG.ENVIRONMENT_SLUG.app"' in import_blocks({"a": "app"})


def test_the_name_of_a_resource_begins_with_no_digit() -> None:
    assert "to = stytch_connected_app._2fa\n" in import_blocks({"2fa": "app"})


def test_nothing_in_an_id_is_filled_in() -> None:
    assert 'id = "$${x}.%%{y}\\"' in import_blocks({"a": "app"}, "${x}", '%{y}"')
