"""What a process that runs other people's native code is told of ours."""

from voicetrio.core.environment import engine_environment

OURS = {
    "PATH": "/usr/bin",
    "HOME": "/home/somebody",
    "LC_ALL": "C.UTF-8",
    "CUDA_VISIBLE_DEVICES": "0",
    "OMP_NUM_THREADS": "2",
    "HF_HOME": "/models",
    "PYTHONPATH": "/app",
}
SECRETS = {
    "VOICETRIO_SERVER__ADMIN_KEY": "k",
    "VOICETRIO_AGENT__MODEL": "m",
    "OPENAI_API_KEY": "k",
    "HF_TOKEN": "t",
    "AWS_SECRET_ACCESS_KEY": "s",
    "PGPASSWORD": "p",
    "DATABASE_URL": "postgres://somebody:something@db/x",
    "REDIS_URI": "redis://:something@cache",
    "SSH_AUTH_SOCK": "/tmp/agent",
    "MY_PASSPHRASE": "p",
}
OTHERS = {"SOMETHING_ELSE": "1", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}


def test_engines_get_what_they_need_and_nothing_else():
    assert engine_environment({**OURS, **SECRETS, **OTHERS}) == OURS


def test_somebody_elses_engine_gets_what_does_not_look_like_a_secret():
    assert engine_environment({**OURS, **SECRETS, **OTHERS}, known=False) == {**OURS, **OTHERS}


def test_what_the_operator_names_is_passed_on_whatever_it_is_called():
    named = engine_environment({**OURS, **SECRETS, **OTHERS}, named=("HF_TOKEN", "SOMETHING_ELSE", "NOT_THERE"))
    assert named == {**OURS, "HF_TOKEN": "t", "SOMETHING_ELSE": "1"}
