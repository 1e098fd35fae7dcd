#include "tests/unit/test.h"

#include <string.h>

#include "common/linux/supervisor.h"

/* Two container IDs. */
#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID2 "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define USER "/user.slice/user-1000.slice/user@1000.service"

static void assert_read(const char *cgroups, enum supervisor_kind kind, const char *name,
			const char *id)
{
	struct supervisor supervisor;

	memset(&supervisor, 0x55, sizeof supervisor);
	supervisor_read(cgroups, NULL, &supervisor);
	if (supervisor.kind != kind || strcmp(supervisor.name, name) != 0 ||
	    strcmp(supervisor.id, id) != 0)
		fail_msg("%s: kind %d name \"%s\" id \"%s\"", cgroups, supervisor.kind,
			 supervisor.name, supervisor.id);
}

static void kinds_have_names(void **state)
{
	(void)state;
	assert_null(supervisor_kind_name(SUPERVISOR_NONE));
	assert_string_equal(supervisor_kind_name(SUPERVISOR_SYSTEMD), "systemd");
	assert_string_equal(supervisor_kind_name(SUPERVISOR_DOCKER), "docker");
	assert_string_equal(supervisor_kind_name(SUPERVISOR_PODMAN), "podman");
	assert_string_equal(supervisor_kind_name(SUPERVISOR_KUBERNETES), "kubernetes");
}

static void a_systemd_unit_is_known_by_its_service(void **state)
{
	(void)state;
	assert_read("0::/system.slice/bot.service\n", SUPERVISOR_SYSTEMD, "bot.service", "");
	assert_read("0::/system.slice/system-bot.slice/bot@2.service", SUPERVISOR_SYSTEMD,
		    "bot@2.service", "");
	assert_read("0::/system.slice/bot.service/workers\n", SUPERVISOR_SYSTEMD, "bot.service",
		    "");
	assert_read("0::/bot.slice/bot.service\n", SUPERVISOR_SYSTEMD, "bot.service", "");
}

static void a_users_unit_names_its_manager(void **state)
{
	(void)state;
	assert_read("0::" USER "/app.slice/bot.service\n", SUPERVISOR_SYSTEMD, "bot.service",
		    "user@1000.service");
}

static void a_login_is_supervised_by_nobody(void **state)
{
	(void)state;
	assert_read("0::/user.slice/user-1000.slice/session-3.scope\n", SUPERVISOR_NONE, "", "");
	assert_read("0::" USER "\n", SUPERVISOR_NONE, "", "");
	assert_read("0::" USER "/init.scope\n", SUPERVISOR_NONE, "", "");
	assert_read("0::/init.scope\n", SUPERVISOR_NONE, "", "");
	assert_read("0::/\n", SUPERVISOR_NONE, "", "");
	assert_read("", SUPERVISOR_NONE, "", "");
}

static void docker_is_known_by_scope_and_by_folder(void **state)
{
	(void)state;
	assert_read("0::/system.slice/docker-" ID ".scope\n", SUPERVISOR_DOCKER, "", ID);
	assert_read("0::/docker/" ID "\n", SUPERVISOR_DOCKER, "", ID);
	assert_read("0::/docker/" ID "/init\n", SUPERVISOR_DOCKER, "", ID);
	assert_read("0::/custom.slice/docker-" ID ".scope\n", SUPERVISOR_DOCKER, "", ID);
}

static void the_many_lines_of_cgroup_v1_are_read(void **state)
{
	(void)state;
	assert_read("12:pids:/docker/" ID "\n11:cpu,cpuacct:/docker/" ID
		    "\n1:name=systemd:/docker/" ID "\n0::/system.slice/containerd.service\n",
		    SUPERVISOR_DOCKER, "", ID);
	assert_read("12:pids:/\n1:name=systemd:/system.slice/bot.service\n", SUPERVISOR_SYSTEMD,
		    "bot.service", "");
}

static void podman_is_known_with_root_and_without(void **state)
{
	(void)state;
	assert_read("0::/machine.slice/libpod-" ID ".scope/container\n", SUPERVISOR_PODMAN, "", ID);
	assert_read("0::" USER "/user.slice/libpod-" ID ".scope/container\n", SUPERVISOR_PODMAN, "",
		    ID);
	assert_read("0::/libpod_parent/libpod-" ID "\n", SUPERVISOR_PODMAN, "", ID);
}

static void podmans_monitor_is_no_container(void **state)
{
	(void)state;
	assert_read("0::/machine.slice/libpod-conmon-" ID ".scope\n", SUPERVISOR_NONE, "", "");
}

static void kubernetes_is_known_with_every_runtime(void **state)
{
	(void)state;
	assert_read("0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/"
		    "cri-containerd-" ID ".scope\n",
		    SUPERVISOR_KUBERNETES, "", ID);
	assert_read("0::/kubepods.slice/kubepods-pod1.slice/crio-" ID ".scope\n",
		    SUPERVISOR_KUBERNETES, "", ID);
	assert_read("0::/kubepods/besteffort/pod1/" ID "\n", SUPERVISOR_KUBERNETES, "", ID);
	assert_read("0::/kubepods.slice/kubepods-pod1.slice/docker-" ID ".scope\n",
		    SUPERVISOR_KUBERNETES, "", ID);
}

static void of_nested_containers_the_outermost_wins(void **state)
{
	(void)state;
	assert_read("0::/docker/" ID "/docker/" ID2 "\n", SUPERVISOR_DOCKER, "", ID);
	assert_read("0::/system.slice/docker-" ID ".scope/machine.slice/libpod-" ID2 ".scope\n",
		    SUPERVISOR_DOCKER, "", ID);
	assert_read("0::/machine.slice/libpod-" ID ".scope/system.slice/docker-" ID2 ".scope\n",
		    SUPERVISOR_PODMAN, "", ID);
	assert_read("0::/docker/" ID "/kubepods.slice/cri-containerd-" ID2 ".scope\n",
		    SUPERVISOR_DOCKER, "", ID);
}

static void a_unit_inside_a_container_is_the_containers_business(void **state)
{
	(void)state;
	assert_read("0::/system.slice/docker-" ID ".scope/system.slice/bot.service\n",
		    SUPERVISOR_DOCKER, "", ID);
	assert_read("0::/machine.slice/libpod-" ID ".scope/container/system.slice/bot.service\n",
		    SUPERVISOR_PODMAN, "", ID);
}

static void a_container_inside_a_unit_is_the_units_business(void **state)
{
	(void)state;
	/* A service with Delegate=yes names the cgroups below it as it likes. */
	assert_read("0::/system.slice/bot.service/docker-" ID ".scope\n", SUPERVISOR_SYSTEMD,
		    "bot.service", "");
	assert_read("0::/system.slice/bot.service/docker/" ID "\n", SUPERVISOR_SYSTEMD,
		    "bot.service", "");
	assert_read("0::/system.slice/bot.service/libpod-payload-" ID "\n", SUPERVISOR_SYSTEMD,
		    "bot.service", "");
}

static void a_docker_scope_in_a_users_slice_is_not_believed(void **state)
{
	(void)state;
	assert_read("0::" USER "/app.slice/docker-" ID ".scope\n", SUPERVISOR_NONE, "", "");
	assert_read("0::" USER "/docker/" ID "\n", SUPERVISOR_NONE, "", "");
	assert_read("0::" USER "/app.slice/bot.service/docker-" ID ".scope\n", SUPERVISOR_SYSTEMD,
		    "bot.service", "user@1000.service");
}

static void a_kubernetes_path_in_a_users_slice_is_not_believed(void **state)
{
	(void)state;
	assert_read("0::" USER "/kubepods/pod1/" ID "\n", SUPERVISOR_NONE, "", "");
	assert_read("0::" USER "/kubepods.slice/cri-containerd-" ID ".scope\n", SUPERVISOR_NONE, "",
		    "");
}

static void an_id_that_is_not_64_small_hex_digits_is_no_container(void **state)
{
	static const char *const names[] = {
		"/docker/0123456789abcdef",
		"/docker/" ID "0",
		"/system.slice/docker-" ID "x.scope",
		"/system.slice/docker-.scope",
		"/system.slice/xdocker-" ID ".scope",
		"/system.slice/docker-" ID ".scope.d",
		"/docker/0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF",
		"/docker/0123456789abcdef/123456789abcdef0123456789abcdef0123456789abcdef",
		"/dockerx/" ID,
		"/" ID,
		"/libpod-" ID "0.scope",
	};
	char line[256];

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		(void)snprintf(line, sizeof line, "0::%s\n", names[i]);
		assert_read(line, SUPERVISOR_NONE, "", "");
	}
}

static void a_word_that_only_looks_like_a_unit_is_none(void **state)
{
	(void)state;
	assert_read("0::/.service\n", SUPERVISOR_NONE, "", "");
	assert_read("0::/bot.service.d\n", SUPERVISOR_NONE, "", "");
	assert_read("0::/system.slice/bot.socket\n", SUPERVISOR_NONE, "", "");
}

static void colons_in_a_path_belong_to_the_path(void **state)
{
	(void)state;
	assert_read("0::/system.slice/a:b:c.service\n", SUPERVISOR_SYSTEMD, "a:b:c.service", "");
}

static void lines_without_a_path_are_passed_over(void **state)
{
	(void)state;
	assert_read("junk\n0:\n\n::\n0::/system.slice/bot.service", SUPERVISOR_SYSTEMD,
		    "bot.service", "");
	assert_read("0\n:/docker/" ID, SUPERVISOR_NONE, "", "");
}

static void a_very_long_unit_name_is_cut(void **state)
{
	char line[1024] = "0::/";
	struct supervisor supervisor = { 0 };

	(void)state;
	memset(line + 4, 'a', 900);
	memcpy(line + 904, ".service\n", 10);
	supervisor_read(line, NULL, &supervisor);
	assert_int_equal(supervisor.kind, SUPERVISOR_SYSTEMD);
	assert_int_equal(strlen(supervisor.name), sizeof supervisor.name - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_have_names),
		cmocka_unit_test(a_systemd_unit_is_known_by_its_service),
		cmocka_unit_test(a_users_unit_names_its_manager),
		cmocka_unit_test(a_login_is_supervised_by_nobody),
		cmocka_unit_test(docker_is_known_by_scope_and_by_folder),
		cmocka_unit_test(the_many_lines_of_cgroup_v1_are_read),
		cmocka_unit_test(podman_is_known_with_root_and_without),
		cmocka_unit_test(podmans_monitor_is_no_container),
		cmocka_unit_test(kubernetes_is_known_with_every_runtime),
		cmocka_unit_test(of_nested_containers_the_outermost_wins),
		cmocka_unit_test(a_unit_inside_a_container_is_the_containers_business),
		cmocka_unit_test(a_container_inside_a_unit_is_the_units_business),
		cmocka_unit_test(a_docker_scope_in_a_users_slice_is_not_believed),
		cmocka_unit_test(a_kubernetes_path_in_a_users_slice_is_not_believed),
		cmocka_unit_test(an_id_that_is_not_64_small_hex_digits_is_no_container),
		cmocka_unit_test(a_word_that_only_looks_like_a_unit_is_none),
		cmocka_unit_test(colons_in_a_path_belong_to_the_path),
		cmocka_unit_test(lines_without_a_path_are_passed_over),
		cmocka_unit_test(a_very_long_unit_name_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
