# frozen_string_literal: true

require "digest"
require "open3"
require "socket"

require_relative "boxes"

# What usually keeps a lab VM from starting, looked at before it starts: each check returns nil, or
# one line with the trouble and its cure. The Vagrantfile asks them; so can anybody, before Vagrant
# is even installed:
#
#     ruby labs-vm/lib/preflight.rb                     this host
#     ruby labs-vm/lib/preflight.rb --port 8888 ...     one of them: see OPTIONS
module Preflight
  # 2.3.4 is Debian 12's. From 2.4.0 on Vagrant tells architectures apart; an older one would put an
  # x86-64 box on Apple silicon.
  VAGRANT = { "x86_64" => "2.3.4", "arm64" => "2.4.0" }.freeze
  # The first VirtualBox that runs the arm64 boxes. Source: their publisher, github.com/chef/bento.
  VIRTUALBOX_ARM64 = "7.1.6"
  SPARE_MIB = 512 # memory that stays the host's
  # Free disk space in MiB. A plain Debian also is a download and what is installed into it.
  DISK_MIB = { own: 4096, plain: 10_240 }.freeze

  # --- the checks ---------------------------------------------------------------------------------

  def self.vagrant(version, architecture = Host.architecture)
    wanted = VAGRANT.fetch(architecture)
    return if Gem::Version.new(version) >= Gem::Version.new(wanted)

    "Vagrant #{version} is too old: the lab needs #{wanted} or newer#{" on arm64" if architecture == "arm64"}. " \
      "Get one from https://developer.hashicorp.com/vagrant/install (on Debian 12 or 13: apt install vagrant)"
  end

  # `usable` has the names of the providers that Vagrant finds here.
  def self.provider(usable, system = Host.system, architecture = Host.architecture)
    return unless usable.empty?

    "Vagrant finds nothing here to run a VM with. #{PROVIDER_CURE.fetch(system)[architecture]}"
  end

  PROVIDER_CURE = {
    "linux" => Hash.new("Install libvirt (on Debian or Ubuntu: sudo apt install vagrant-libvirt libvirt-daemon-system, " \
                        "then log in again as a member of the group libvirt), or VirtualBox"),
    "macos" => { "x86_64" => "Install VirtualBox: https://www.virtualbox.org",
                 "arm64" => "Install VirtualBox #{VIRTUALBOX_ARM64} or newer (https://www.virtualbox.org), Parallels or VMware Fusion" },
    "windows" => Hash.new("Install VirtualBox (https://www.virtualbox.org), or enable Hyper-V and run Vagrant as administrator"),
  }.freeze

  def self.virtualbox(version, architecture = Host.architecture)
    return if version.nil? || architecture != "arm64" || Gem::Version.new(version) >= Gem::Version.new(VIRTUALBOX_ARM64)

    "VirtualBox #{version} is too old for arm64: #{VIRTUALBOX_ARM64} or newer runs the lab. Get one from https://www.virtualbox.org"
  end

  # VirtualBox on top of Hyper-V is slow, or does not start.
  def self.hyperv(present = Host.hypervisor_present?)
    return unless present

    "Windows runs its own hypervisor (Hyper-V, WSL2 or memory integrity), and VirtualBox is slow or fails on top of it. " \
      "Use it instead, as administrator: vagrant up --provider hyperv; or switch it off and restart Windows: " \
      "bcdedit /set hypervisorlaunchtype off"
  end

  def self.number(name, value)
    "#{name} is no number: #{value.inspect}. #{Host.with(name, name == "KERNELBOX_PORT" ? 8889 : 2048, "vagrant up")} is how it is meant" \
      unless value.match?(/\A[1-9]\d*\n?\z/)
  end

  def self.choice(provider, architecture, box)
    "There is no box for #{provider} on #{architecture}. Take one of: " \
      "#{Boxes.providers(architecture).map { |name| "vagrant up --provider #{name}" }.join(", ")}" if box.nil?
  end

  def self.port(number)
    return if free?(number)

    "Port #{number} of 127.0.0.1 is taken. End what listens there, or take another: #{Host.with("KERNELBOX_PORT", number + 1, "vagrant up")}"
  end

  def self.memory(free_mib, wanted_mib)
    return if free_mib.nil? || free_mib >= wanted_mib + SPARE_MIB

    "There are #{free_mib} MiB of memory to be had, and the lab VM takes #{wanted_mib}. " \
      "Close some programs, or give it less: #{Host.with("KERNELBOX_MEMORY", 1024, "vagrant up")}"
  end

  def self.disk(directory, wanted_mib, free_mib = Host.free_disk(directory))
    return if free_mib.nil? || free_mib >= wanted_mib

    "#{directory} has #{free_mib} MiB free, and the lab VM takes #{wanted_mib}. Make room there, or move it: " \
      "VAGRANT_HOME is where Vagrant keeps boxes"
  end

  # A box of the lab's own is compared with the checksum that was written when it was made.
  def self.box(file, checksum)
    return "There is no box at #{file}. Make one there (labs-vm/build --box #{file}), or unset KERNELBOX_BOX" unless File.file?(file)
    return if checksum.nil? || Digest::SHA256.file(file).hexdigest == checksum

    "The box #{file} is damaged: its SHA-256 is not the one in #{File.basename(file)}.sha256. " \
      "Copy both again, or make them: labs-vm/build --box #{file}"
  end

  # --- some of them together ----------------------------------------------------------------------

  def self.first_of(*checks)
    checks.each { |check| (line = check.call) && (return line) }
    nil
  end

  # What any start takes, and what a machine's first one takes besides.
  def self.to_start(port_number, memory_mib)
    port(port_number) || memory(Host.free_memory, memory_mib)
  end

  # Of a machine that runs: Vagrant takes it for started, however far it has come. vagrant-libvirt
  # cannot halt one that has no address yet; what is on its disk stays either way.
  def self.half_started(port_number, provider, id)
    stop = provider == "libvirt" ? "virsh --connect qemu:///system destroy #{id}" : "vagrant halt --force"
    "The machine runs, and nothing leads to its JupyterLab: its start was interrupted. Begin again: #{stop}, then vagrant up" if free?(port_number)
  end

  def self.to_make(box, provider, home)
    places = [home, *("/var/lib/libvirt/images" if provider == "libvirt")]
    first_of(*places.map { |place| -> { disk(place, DISK_MIB[box.file ? :own : :plain]) } })
  end

  # Somebody may listen on every address: then binding this one can succeed, and connecting tells.
  def self.free?(number)
    Socket.tcp("127.0.0.1", number, connect_timeout: 2).close
    false
  rescue SystemCallError
    begin
      TCPServer.new("127.0.0.1", number).close
      true
    rescue SystemCallError
      false
    end
  end
  private_class_method :free?

  # --- the host -----------------------------------------------------------------------------------

  # What the host is and has. What cannot be found out is nil, and then not complained of.
  module Host
    module_function

    def system
      case RbConfig::CONFIG["host_os"]
      when /mswin|mingw|cygwin/ then "windows"
      when /darwin/ then "macos"
      else "linux"
      end
    end

    # The machine's, not that of a Ruby that runs under translation (Rosetta, WOW64).
    def architecture
      names = [RbConfig::CONFIG["host_cpu"], ENV["PROCESSOR_ARCHITECTURE"], ENV["PROCESSOR_ARCHITEW6432"]]
      names << "arm64" if system == "macos" && output("sysctl", "-n", "hw.optional.arm64") == "1"
      names.any? { |name| name.to_s.match?(/\A(arm64|aarch64)\z/i) } ? "arm64" : "x86_64"
    end

    # MiB that programs can have now; on macOS, which lends memory freely, half of all there is.
    def free_memory
      case system
      when "linux" then File.read("/proc/meminfo")[/^MemAvailable:\s+(\d+)/, 1].to_i / 1024
      when "macos" then output("sysctl", "-n", "hw.memsize")&.then { |bytes| bytes.to_i / 2 / 1024**2 }
      else powershell("(Get-CimInstance Win32_OperatingSystem).FreePhysicalMemory")&.then { |kib| kib.to_i / 1024 }
      end
    end

    # MiB free where `directory` is, or will be.
    def free_disk(directory)
      directory = File.dirname(directory) until File.directory?(directory)
      if system == "windows"
        powershell("(Get-Item '#{directory}').PSDrive.Free")&.then { |bytes| bytes.to_i / 1024**2 }
      else
        output("df", "-Pk", directory)&.lines&.last&.split&.at(3)&.then { |kib| kib.to_i / 1024 }
      end
    end

    def hypervisor_present?
      system == "windows" && powershell("(Get-CimInstance Win32_ComputerSystem).HypervisorPresent") == "True"
    end

    def virtualbox_version
      output("VBoxManage", "--version")&.slice(/\A[\d.]+/)
    end

    # A command with a variable set, as it is typed on this system.
    def with(variable, value, command)
      system == "windows" ? "$env:#{variable}=#{value}; #{command}" : "#{variable}=#{value} #{command}"
    end

    def powershell(expression)
      output("powershell", "-NoProfile", "-Command", expression)
    end

    # What a command prints, or nil if it is not there or fails.
    def output(*command)
      printed, status = Open3.capture2(*command, err: File::NULL)
      printed.strip if status.success? && !printed.strip.empty?
    rescue SystemCallError
      nil
    end
  end

  # --- by hand ------------------------------------------------------------------------------------

  OPTIONS = {
    "--vagrant" => ->(version) { vagrant(version) },
    "--virtualbox" => ->(version) { virtualbox(version) },
    "--provider" => ->(names) { provider(names.split(",")) },
    "--port" => ->(number) { port(Integer(number)) },
    "--memory" => ->(mib) { memory(Host.free_memory, Integer(mib)) },
    "--disk" => ->(directory) { disk(directory, DISK_MIB[:own]) },
    "--box" => ->(file) { box(file, File.exist?("#{file}.sha256") ? File.read("#{file}.sha256")[/\A\h{64}/] : nil) },
  }.freeze

  def self.main(arguments)
    found = arguments.each_slice(2).map { |option, value| OPTIONS.fetch(option).call(value) } unless arguments.empty?
    found ||= [port(8888), memory(Host.free_memory, 2048), disk(Dir.home, DISK_MIB[:own]), hyperv]
    found.compact.each { |line| warn "kernelbox: #{line}" }
    found.compact.empty?
  end
end

exit Preflight.main(ARGV) if $PROGRAM_NAME == __FILE__
