"""What scripts do on a machine that is not theirs alone: what they look at before they touch it, on trees of our own. The
whole of it, on a server with systemd, is tests/rehearsal/."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from servers import BUILD, ROOT

REDIS_MANIFEST = "file appendonly.aof.1.incr.aof seq 1 type i\n"


def command(*words):
    return "".join([f"*{len(words)}\r\n", *(f"${len(word)}\r\n{word}\r\n" for word in words)]).encode()


class GuestTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="plugfleet it's ")))

    def write(self, name, content=""):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def run_here(self, *words, status=0, **settings):
        outside = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        done = subprocess.run(words, cwd=self.folder, env={**outside, **settings}, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
        self.assertEqual(done.returncode, status, done.stdout)
        return done.stdout

    def shell(self, parts, text, **settings):
        """Bash with those files of scripts/ sourced; `etc` and `www` are this folder's."""
        trees = "".join(f'{name}=$FLEET_DIR/{name}\n' for name in ("etc", "www"))
        sources = "".join(f'. "$root/scripts/lib/{part}.sh"\n' for part in parts)
        return self.run_here("bash", "-c", f'. "$0/scripts/lib/common.sh"\n{trees}{sources}{textwrap.dedent(text)}', str(ROOT),
                             FLEET_DIR=str(self.folder), **settings)


class SetupTest(GuestTest):
    def others(self, server):
        return self.shell(["database", "setup-machine"], f"others_{server}").splitlines()

    def test_nginx_is_somebodys_where_it_has_a_site_or_serves_a_page_of_theirs(self):
        enabled = self.folder / "etc/nginx/sites-enabled"
        self.assertEqual(self.others("nginx"), [], "nothing is there")
        original = Path("/etc/nginx/sites-available/default")
        if original.exists() and "Default server configuration" in original.read_text(encoding="utf-8"):
            enabled.mkdir(parents=True)
            (enabled / "default").symlink_to(original)
            self.write("www/index.nginx-debian.html")
            self.assertEqual(self.others("nginx"), [], "Debian's own page")
            page = self.write("www/index.html", "hello")
            self.assertEqual(self.others("nginx"), [str(page)])
            page.unlink()
            (enabled / "default").unlink()
        self.write("etc/nginx/sites-enabled/default", "server { listen 80; root /srv; }")
        self.assertEqual(self.others("nginx"), [f"{enabled}/default was edited"])
        (enabled / "default").unlink()
        for site in ("etc/nginx/sites-enabled/shop", "etc/nginx/conf.d/shop.conf"):
            path = self.write(site)
            self.assertEqual(self.others("nginx"), [str(path)])
            path.unlink()
        self.write("etc/nginx/conf.d/shop.conf.disabled")
        self.write("etc/nginx/nginx.conf", "stream {}")
        self.assertEqual(self.others("nginx"), [f"{self.folder}/etc/nginx/nginx.conf was edited"])

    def test_pgbouncer_is_somebodys_where_it_names_a_database_or_another_file(self):
        self.assertEqual(self.others("pgbouncer"), [], "nothing is there")
        for text, named in (
            ("", []),
            (";; comment\n[databases]\n;forcedb = host=localhost\n# too\n\n[pgbouncer]\nlisten_port = 6432\n;%include x\n", []),
            ("[databases]\n* = host=10.0.0.1\n", ["*"]),
            ("[Databases]\n  shop= host=10.0.0.1\n[pgbouncer]\nuser = x\n", ["  shop"]),
            ("[pgbouncer]\n%include /etc/shop.ini\n", ["%include /etc/shop.ini"]),
            ("[pgbouncer]\nlogfile = x\n[databases]\nshop = dbname=shop", ["shop"]),
        ):
            with self.subTest(text):
                path = self.write("etc/pgbouncer/pgbouncer.ini", text)
                self.assertEqual(self.others("pgbouncer"), [f"{path}: {name}" for name in named])

    def test_a_port_of_setup_that_is_taken_is_named_with_its_holder_and_its_address(self):
        self.write("bin/ss", '#!/bin/sh\ncase $2 in *443) echo "LISTEN 0 511 0.0.0.0:443 0.0.0.0:* users:((\\"apache2\\",pid=1,fd=4))" ;;'
                             ' *8080) echo "LISTEN 0 5 10.0.0.5:8080 0.0.0.0:*" ; echo "LISTEN 0 5 *:8080 *:*" ;; esac\n').chmod(0o755)
        said = self.shell(["database", "setup-machine"], """
            PATH=$PWD/bin:$PATH HTTPS_PORT=443 HTTP_PORT=8080
            judge_ports
            (end_if_wrong) || true
            wrong=() HTTP_PORT=80 HTTPS_PORT=444
            judge_ports
            printf '%s\\n' "${wrong[@]}" """)
        self.assertIn("Port 443 is taken by apache2 (pid 1) at 0.0.0.0: stop it", said)
        self.assertIn("Port 8080 is taken by another program (pid unknown) at *: stop it", said)
        self.assertNotIn("10.0.0.5", said)
        self.assertIn("HTTPS_PORT (444), HTTP_PORT (80) and 80", said)

    def test_a_rule_in_a_file_of_postgresqls_leaves_the_rest_to_the_byte_and_goes_again(self):
        for text in (b"local all all peer", b"# x\n\n\nhost all\n\n\n", b""):
            file = self.write("etc/pg_hba.conf", text)
            link = self.folder / "link"
            link.unlink(missing_ok=True)
            link.symlink_to(file)
            said = self.shell(["database", "fleet-prepare", "setup-machine", "setup-servers"], """
                mark link 'local all plugfleet peer map=plugfleet'
                mark link 'local all plugfleet peer map=plugfleet'
                cat link; sed -i --follow-symlinks '/^# plugfleet begin/,/^# plugfleet end/d' link""")
            self.assertEqual(said.count("map=plugfleet"), 1)
            self.assertTrue(said.startswith("# plugfleet begin\n"))
            self.assertTrue(link.is_symlink())
            self.assertEqual(file.read_bytes(), text)

    def test_fleet_conf_keeps_what_stands_there_and_an_empty_one_is_made(self):
        self.write("fleet.conf", "# mine\nWORKERS=3\nCERTIFICATE=certbot\nPUBLIC_NAME=a\n")
        said = self.shell(["database", "setup-machine"], """
            source <(declare -f settings_text | sed "s|/etc/plugfleet/fleet.conf|fleet.conf|")
            settings_text self-signed b ''
            : >fleet.conf
            settings_text self-signed c ''
            echo HTTP_PORT=9090 >fleet.conf
            settings_text self-signed d '' | grep -n 'HTTP\|d$'
            (settings_text '' '' '') || true
            (settings_text certbot localhost '') || true
            (settings_text self-signed 'a b' '') || true
            (settings_text self-signed a 'x y') || true""")
        self.assertTrue(said.startswith("# mine\nWORKERS=3\nCERTIFICATE=self-signed\nPUBLIC_NAME=b\n"), said)
        self.assertIn("HTTPS_PORT=443\n", said)
        self.assertRegex(said, r"\d+:HTTPS_ADDRESS=0.0.0.0\n\d+:HTTPS_PORT=443\n\d+:HTTP_PORT=9090\n\d+:CERTIFICATE=self-signed\n\d+:PUBLIC_NAME=d\n")
        for sentence in ("Say how it is reached", "'localhost' is not a domain", "'a b' is neither", "'x y' is not an e-mail"):
            self.assertIn(sentence, said)


class PackageTest(GuestTest):
    def take_prompts(self):
        text = (ROOT / "packaging/postinst").read_text(encoding="utf-8")
        function = text[text.index("take_prompts() {"):text.index('if [ "$1" = configure ]')]
        for path in ("/usr/share/plugfleet", "/etc/plugfleet", "/var/lib/plugfleet"):
            function = function.replace(path + "/prompts", f'"$PWD"{path}/prompts')
        return self.run_here("sh", "-ec", function + "take_prompts")

    def test_a_prompt_that_was_changed_or_removed_stays_so_and_the_others_follow_the_package(self):
        package, here, before = (self.folder / path / "prompts/figma"
                                 for path in ("usr/share/plugfleet", "etc/plugfleet", "var/lib/plugfleet"))
        package.mkdir(parents=True)
        for name in ("kept", "edited", "removed"):
            (package / f"{name}.txt").write_text("one", encoding="utf-8")
        self.assertEqual(self.take_prompts(), "")
        self.assertEqual(sorted(path.name for path in here.iterdir()), ["edited.txt", "kept.txt", "removed.txt"])
        (here / "edited.txt").write_text("mine", encoding="utf-8")
        (here / "removed.txt").unlink()
        self.assertEqual(self.take_prompts(), "", "the same package again has nothing to say")
        for name in ("kept", "edited", "removed", "new"):
            (package / f"{name}.txt").write_text("two", encoding="utf-8")
        said = self.take_prompts()
        self.assertIn("edited.txt was changed here and stays", said)
        self.assertEqual(said.count("\n"), 1, said)
        self.assertEqual({path.name: path.read_text(encoding="utf-8") for path in here.iterdir()},
                         {"edited.txt": "mine", "kept.txt": "two", "new.txt": "two"})

    @unittest.skipUnless(shutil.which("dpkg-shlibdeps"), "dpkg-dev is not installed")
    def test_a_package_from_a_checkout_that_only_its_owner_may_read_is_one_like_any_other(self):
        checkout = self.folder / "checkout"
        checkout.mkdir()
        self.run_here("bash", "-c", 'cd "$1" && git ls-files -z scripts conf migrations systemd modules packaging docs '
                                    'README.md CHANGELOG.md VERSION | xargs -0 cp --parents -t "$0" && chmod -R go-rwx "$0"',
                      str(checkout), str(ROOT))
        said = self.run_here("bash", "-c", 'umask 077 && "$0/scripts/dev/make-deb"', str(checkout), BUILD=str(BUILD), VERSION="0.0.1")
        self.assertIn("build/plugfleet_0.0.1_", said)
        (package,) = (checkout / "build").glob("*.deb")
        modes = {line.split()[0] for line in self.run_here("dpkg-deb", "-c", str(package)).splitlines()}
        self.assertEqual(modes, {"drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x", "lrwxrwxrwx"})
        self.assertNotIn("/etc/plugfleet", self.run_here("dpkg-deb", "-I", str(package), "conffiles"))
        if shutil.which("lintian"):
            self.assertEqual(self.run_here("lintian", "--allow-root", "--fail-on=error,warning", str(package)), "")

    @unittest.skipIf(os.geteuid(), "installs packages, so it needs root")
    def test_packages_wait_for_another_apt_and_say_so(self):
        self.write("bin/dpkg-query", "#!/bin/sh\n").chmod(0o755)  # nothing is installed
        self.write("bin/systemctl", "#!/bin/sh\n").chmod(0o755)
        self.write("bin/apt-get", '#!/bin/sh\necho "$1" >>asked\n[ $(grep -c "$1" asked) -gt 1 ] && exit\n'
                                  'echo "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7 (apt-get)"\nexit 100\n').chmod(0o755)
        said = self.run_here(str(ROOT / "scripts/dev/install-packages"), PATH=f"{self.folder}/bin:{os.environ['PATH']}")
        self.assertEqual(said.count("Waiting for another apt-get or dpkg, for five minutes at the most: E: Could not get lock"), 2)
        self.assertEqual((self.folder / "asked").read_text(encoding="utf-8").split(), ["update", "update", "install", "install"])
        self.write("bin/apt-get", "#!/bin/sh\necho 'E: Unable to locate package'\nexit 100\n")
        said = self.run_here(str(ROOT / "scripts/dev/install-packages"), PATH=f"{self.folder}/bin:{os.environ['PATH']}", status=1)
        self.assertIn("apt-get update failed: E: Unable to locate package", said)

    def test_make_says_nothing_of_its_own_below_another_make(self):
        self.write("Makefile", f"all:\n\t@$(MAKE) --no-print-directory -C '{ROOT}' help\n")
        self.assertNotIn("warning", self.run_here("make", "-j2"))


class CertificateTest(GuestTest):
    def setUp(self):
        super().setUp()
        self.tls = self.folder / "tls"
        self.tls.mkdir()
        (self.folder / "data").symlink_to(self.folder)

    def make(self, name):
        return self.shell(["database", "fleet-prepare"], f'make_certificate {name}; certificate_is_right data/tls {name}')

    def read(self, *files):
        return [(self.tls / file).read_bytes() for file in files or ("certificate.pem", "key.pem")]

    def authority(self, begin, name="a.example"):
        """A certificate of somebody's authority that is valid from `begin`, YYMMDDHHMMSSZ."""
        self.run_here("bash", "-ec", """
            mkdir ca && cd ca && touch index.txt && echo 01 >serial
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=authority -keyout ca.key -out ca.pem
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$1" -addext "subjectAltName=DNS:$1" -keyout ../tls/key.pem -out csr
            printf '[ca]\\ndefault_ca=d\\n[d]\\ndatabase=index.txt\\nserial=serial\\nnew_certs_dir=.\\ndefault_md=sha256\\npolicy=p\\ncopy_extensions=copy\\n[p]\\ncommonName=supplied\\n' >cnf
            openssl ca -batch -notext -config cnf -cert ca.pem -keyfile ca.key -in csr -startdate "$0" -enddate 490101000000Z -out ../tls/certificate.pem
            """, begin, name)

    def test_it_is_kept_as_long_as_it_is_right(self):
        self.make("a.example")
        before = self.read()
        self.make("a.example")
        self.make("localhost")
        self.assertEqual(self.read(), before)

    def test_another_name_or_a_key_that_is_gone_or_anothers_makes_a_new_one(self):
        self.make("a.example")
        for spoil in (lambda: self.make("b.example"), (self.tls / "key.pem").unlink, lambda: self.write("tls/key.pem"),
                      lambda: self.write("tls/certificate.pem"),
                      lambda: self.run_here("openssl", "genpkey", "-algorithm", "ed25519", "-out", "tls/key.pem")):
            before = self.read("certificate.pem")
            spoil()
            self.make("a.example")
            self.assertNotEqual(self.read("certificate.pem"), before)
        for name in ("192.0.2.7", "2001:db8::7", "host"):
            self.make(name)

    def test_one_that_has_not_begun_is_replaced_and_an_authoritys_is_kept_beside(self):
        self.authority("480101000000Z")
        before = self.read()
        self.assertIn("certificate.pem.before", self.make("a.example"))
        self.assertEqual(self.read("certificate.pem.before", "key.pem.before"), before)

    def test_an_authoritys_that_is_right_stays(self):
        self.authority("200101000000Z")
        before = self.read()
        self.assertEqual(self.make("a.example"), "")
        self.assertEqual(self.read(), before)

    def test_certbots_own_files_are_never_written_to(self):
        self.authority("200101000000Z", "old.example")
        live = self.folder / "live"
        self.tls.rename(live)
        self.tls.mkdir()
        before = [(live / name).read_bytes() for name in ("certificate.pem", "key.pem")]
        for name in ("certificate.pem", "key.pem"):
            (self.tls / name).symlink_to(live / name)
        self.make("new.example")
        self.assertEqual([(live / name).read_bytes() for name in ("certificate.pem", "key.pem")], before)


class MendTest(GuestTest):
    def mend(self, *words):
        return self.run_here(str(ROOT / "scripts/mend"), *words)

    def log(self, content, manifest=REDIS_MANIFEST):
        shutil.rmtree(self.folder / "redis", ignore_errors=True)
        self.write("redis/appendonlydir/appendonly.aof.manifest", manifest)
        return self.write("redis/appendonlydir/appendonly.aof.1.incr.aof", content)

    def copies(self):
        return list((self.folder / "redis").glob("damaged-*"))

    def test_a_log_of_redis_that_is_whole_or_not_there_is_left_alone(self):
        self.assertEqual(self.mend("redis", "."), "")
        whole = command("SELECT", "0") + command("SET", "a", "b")
        file = self.log(whole)
        self.assertEqual((self.mend("redis", "redis"), file.read_bytes(), self.copies()), ("", whole, []))

    def test_zeros_at_its_end_are_cut_off_and_a_copy_is_kept(self):
        whole = command("SELECT", "0") + command("SET", "a", "b")
        for end in (bytes(5000), command("SET", "c", "d")[:9], b"garbage\r\n"):
            file = self.log(whole + end)
            self.assertIn("was cut off", self.mend("redis", "redis"))
            self.assertEqual(file.read_bytes(), whole)
            (copy,) = self.copies()
            self.assertEqual((copy / file.name).read_bytes(), whole + end)

    def test_one_that_cannot_be_read_at_all_is_kept_aside(self):
        for content, manifest in ((bytes(100), ""), (b"", bytes(60)), (command("PING"), "nonsense\n")):
            self.log(content, manifest)
            said = self.mend("redis", "redis")
            self.assertRegex(said, "starts empty|was cut off")
            self.assertEqual(len(self.copies()), 1)

    def test_a_postmaster_pid_that_is_empty_or_a_strange_process_s_goes(self):
        file = self.write("data/postmaster.pid")
        self.assertIn("was empty: it was removed", self.mend("postgresql", "data"))
        self.assertFalse(file.exists())
        self.write("data/postmaster.pid", f"{os.getpid()}\n/somewhere\n")
        self.assertIn(f"named process {os.getpid()}, which is not PostgreSQL's", self.mend("postgresql", "data"))
        self.assertFalse(file.exists())
        self.assertEqual(self.mend("postgresql", "data"), "")

    def test_that_of_a_postmaster_at_work_stays(self):
        file = self.write("data/postmaster.pid", "")
        self.write("postgres", Path("/bin/sleep").read_bytes()).chmod(0o755)
        with subprocess.Popen([self.folder / "postgres", "60"], cwd=file.parent) as postmaster:
            with contextlib.ExitStack() as stack:
                stack.callback(postmaster.kill)
                self.assertEqual(self.mend("postgresql", "data"), "")
                self.assertTrue(file.exists())


if __name__ == "__main__":
    unittest.main()
